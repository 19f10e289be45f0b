"""Habits read in the code of public projects, with tasks of ``team.read``."""

from celery import chain, group
from celery.result import AsyncResult

from tests.habits.cases import PATIENCE_S, end_of, lines, settled
from tests.habits.team import read, tasks

app = tasks.spend.app


def class_that_keeps_something():
    return [end_of(read.keeps.delay("plainly")), end_of(read.keeps.delay("throws")), lines(2, "after_return")]


def retry_before_its_function_runs():
    return [end_of(read.keeps.delay("early")), lines(1, "after_return")]


def retry_of_a_call_of_the_class():
    return [end_of(read.keeps.delay("call")), lines(1, "after_return")]


def retries_that_are_exhausted():
    state, said = end_of(read.keeps.delay("exhausted"))
    return [state, said.partition(":")[0], lines(1, "after_return")]


def retries_that_a_task_counts():
    return [end_of(read.keeps.delay("asks")), lines(1, "after_return")]


def retry_that_is_given_up():
    return end_of(read.gives_up.delay())


def children_without_a_trail():
    end = end_of(called := read.leaves_no_trail.delay())
    settled()
    return [end, len(AsyncResult(called.id, app=app).children or ())]


def apply_async_of_one_task():
    one = read.has_its_own_delay
    calls = [one.delay(1), one.apply_async((2,)), one.s(3).delay(), chain(one.s(6), tasks.collects.s()).delay()]
    return [[end_of(each) for each in calls], group(one.s(4), one.s(5))().get(timeout=PATIENCE_S)]


def request_that_is_read():
    return [end_of(read.reads_its_request.delay(1, key="k")), end_of(read.reads_its_request.s(2).delay())]


def extended_result():
    end_of(called := tasks.adds.delay(1, 2))
    found = AsyncResult(called.id, app=app)
    seen = [found.name, list(found.args), found.kwargs, found.retries, type(found.date_done).__name__]
    return [*seen, found.date_done.tzinfo is not None, found.worker.split("@")[-1] != "", found.task_id == found.id]


def graph_of_results():
    result = chain(tasks.adds.s(1, 1), tasks.adds.s(2), tasks.adds.s(3)).delay()
    result.get(timeout=PATIENCE_S)
    found = AsyncResult(result.id, app=app, parent=result.parent)
    ids = {result.id: "last", result.parent.id: "second", result.parent.parent.id: "first"}
    seen = [[(ids.get(getattr(each, "id", None)), ids[known.id]) for each, known in result.iterdeps(intermediate=True)]]
    seen += [[value for _, value in result.parent.parent.collect()], found.get_leaf(), result.maybe_throw()]
    return [*seen, result.graph is not None, len(result.as_list()), result.wait(timeout=PATIENCE_S)]


def set_of_results():
    made = group(tasks.adds.s(n, n) for n in range(3))()
    made.get(timeout=PATIENCE_S)
    seen = [made.waiting(), made.failed(), made.ready(), made.successful(), len(made), made[1].get()]
    bad = group(tasks.breaks.s(1), tasks.adds.s(1, 1))()
    seen += [str(each) for each in bad.get(propagate=False, timeout=PATIENCE_S)]
    return [*seen, bad.failed(), bad.successful(), bad.completed_count()]


def class_with_calls_and_retries_of_its_own():
    linked = read.survives.apply_async((1,), link=tasks.spend.s(), shadow="other")
    ends = [end_of(linked), lines(1, "spend"), end_of(chain(read.survives.s(3), read.survives.s()).delay())]
    return [*ends, end_of(read.survives.delay(-1)), end_of(read.survives_by_itself.delay(2)), lines(2, "retry")]


def task_that_takes_itself_by_position():
    one = read.takes_itself_by_position
    calls = [one.delay(), one.delay(1, key=2), one.apply_async((3, 4)), chain(tasks.adds.s(1, 1), one.s()).delay()]
    return [end_of(each) for each in calls]

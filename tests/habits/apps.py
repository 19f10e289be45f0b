"""What a project asks its own Celery app about jobs, or the current one: results, calls by name, revoke, inspect."""

import time
from uuid import uuid4

from celery import chain, current_app, group, signature
from celery.exceptions import TimeoutError as CelerysTimeoutError
from celery.result import AsyncResult, GroupResult

from tests.habits.cases import PATIENCE_S, end_of, lines, settled
from tests.habits.team import asked, tasks
from tests.habits.team.celery import app


def result_by_id():
    end_of(called := asked.adds_one.delay(3))
    result = AsyncResult(called.id)
    return [
        result.get(timeout=PATIENCE_S),
        result.state,
        result.ready(),
        result.successful(),
        result.failed(),
        result.info,
    ]


def result_by_id_while_it_runs():
    called = asked.sleeps_a_while.delay(1)
    lines(1, "sleeps a while")
    result = AsyncResult(called.id)
    return [result.ready(), result.get(timeout=PATIENCE_S), result.state]


def result_of_the_apps():
    return app.AsyncResult(asked.adds_one.delay(3).id).get(timeout=PATIENCE_S)


def result_of_a_failure():
    result = AsyncResult(asked.raises_many.delay().id)
    error = result.get(timeout=PATIENCE_S, propagate=False)
    return [type(error).__name__, error.args, str(error), result.failed(), result.traceback.splitlines()[-1]]


def result_of_nothing():
    return [AsyncResult(str(uuid4())).state, app.AsyncResult("no uuid").ready()]


def result_that_does_not_come():
    called = asked.sleeps_a_while.delay(3)
    try:
        called.get(timeout=0.1)
    except CelerysTimeoutError:
        end_of(called)
        return "caught"


def result_that_a_task_asks_for():
    end_of(called := asked.adds_one.delay(1))
    return end_of(asked.asks_for_a_result.delay(called.id))


def results_of_a_group():
    made = group(asked.adds_one.s(n) for n in range(3)).apply_async()
    return [
        made.get(timeout=PATIENCE_S),
        made.join_native(timeout=PATIENCE_S),
        made.successful(),
        made.completed_count(),
    ]


def results_of_a_group_by_ids():
    ids = [each.id for each in group(asked.adds_one.s(n) for n in range(3)).apply_async()]
    return GroupResult(str(uuid4()), [AsyncResult(uid) for uid in ids]).get(timeout=PATIENCE_S)


def result_with_a_callback():
    seen = []
    group(asked.adds_one.s(n) for n in range(2)).apply_async().get(
        timeout=PATIENCE_S, callback=lambda uid, value: seen.append(value)
    )
    return sorted(seen)


def called_by_name():
    by_app = app.send_task("habits_adds_one", args=[4])
    by_current = current_app.send_task("habits_adds_one", kwargs={"n": 5}, countdown=0.1)
    by_signature = signature("habits_adds_one", args=(6,)).delay()
    of_app = app.signature("habits_adds_one", (7,)).apply_async()
    steps = chain(signature("habits_adds_one", (8,)), signature("habits_adds_one"))()
    return [end_of(each) for each in (by_app, by_current, by_signature, of_app, steps)]


def revoked_by_the_app():
    result = tasks.spend.apply_async((1,), countdown=2)
    app.control.revoke(result.id)
    return [end_of(result)[0], settled()]


def revoked_by_its_result():
    result = tasks.spend.apply_async((1,), countdown=2)
    AsyncResult(result.id).revoke()
    return [end_of(result)[0], settled()]


def several_revoked():
    calls = [tasks.spend.apply_async((1,), countdown=2) for _ in range(2)]
    app.control.revoke([each.id for each in calls], terminate=True, signal="SIGKILL")
    return [[end_of(each)[0] for each in calls], settled()]


def group_revoked():
    made = group(tasks.spend.s(1), tasks.spend.s(2)).apply_async(countdown=2)
    made.revoke()
    return [[end_of(each)[0] for each in made.results], settled()]


def running_one_revoked():
    result = tasks.sleeps.delay()
    lines(1, "sleeps")
    app.control.revoke(result.id, terminate=True)
    return end_of(result)[0]


def worker_that_is_inspected():
    called = asked.sleeps_a_while.delay(5)
    lines(1, "sleeps a while")
    inspect, until = app.control.inspect(timeout=1), time.monotonic() + PATIENCE_S
    while not (active := inspect.active()) and time.monotonic() < until:  # a worker that has just started
        time.sleep(0.1)
    (name, (known,)), *others = active.items()
    seen = [others, known["name"], known["id"] == called.id, known["hostname"] == name, known["args"]]
    seen += [list(each.values()) for each in (inspect.ping(), app.control.inspect([name]).ping())]
    seen += [type(each[name]).__name__ for each in (inspect.reserved(), inspect.scheduled())]
    seen += ["habits_adds_one" in inspect.registered()[name], len(inspect.active_queues()[name]) > 0]
    seen += [list(app.control.ping(timeout=1)[0].values()), app.control.inspect(["nobody@nowhere"], timeout=0.5).ping()]
    seen += [inspect.stats()[name]["pool"]["max-concurrency"], inspect.stats()[name]["pid"] > 1]
    return [*seen, end_of(called)]


def queue_of_the_apps_routes():
    return end_of(asked.is_routed.delay())


def annotated_by_the_app():
    end = end_of(asked.is_annotated.delay())[0]
    return [end, lines(2, "annotated")]


def eager_mode_of_the_app():
    app.conf.task_always_eager = app.conf.task_eager_propagates = True
    try:
        seen = [asked.adds_one.delay(1).get(), type(asked.adds_one.delay(1)).__name__]
        try:
            asked.raises_many.delay()
        except tasks.Special as error:
            seen.append(str(error))
    finally:
        app.conf.task_always_eager = app.conf.task_eager_propagates = False
    return seen


def forgotten():
    end_of(called := asked.adds_one.delay(3))
    called.forget()
    AsyncResult(called.id).forget()

"""Habits of many projects: results and signatures of all sorts, and tasks of ``team.others``."""

from datetime import UTC, date, datetime, timedelta

from celery import chain, group, maybe_signature, subtask, uuid
from celery.canvas import Signature, StampingVisitor
from celery.contrib.abortable import AbortableAsyncResult
from celery.result import AsyncResult, ResultSet, result_from_tuple

from tests.habits.cases import PATIENCE_S, end_of, lines, settled
from tests.habits.team import asked, many, others, tasks
from tests.habits.team.celery import app


def signals_of_a_worker():
    return end_of(others.says_what_began.delay())


def retries_of_a_call():
    others.counts_by_itself.delay(1)
    return lines(3, "counts")


def stamps():
    class Tenant(StampingVisitor):
        def on_signature(self, sig, **headers):
            return {"tenant": "acme", "stamped_headers": ["tenant"]}

    signed, other = others.is_stamped.si(), others.is_stamped.si()
    steps = chain(others.is_stamped.si(), others.is_stamped.si())
    signed.stamp(visitor=Tenant())
    other.stamp(colour="red")
    steps.stamp(visitor=Tenant())
    return [end_of(each.delay()) for each in (signed, other, steps)]


def send_task_of_an_app():
    one = others.is_carried
    steps = chain(one.si(2), one.si(3))
    calls = [
        one.delay(1),
        app.send_task(one.name, (4,)),
        one.apply_async(kwargs={"n": 5}, headers={"tenant": "other", "day": date(2026, 1, 2)}),
    ]
    return [end_of(each) for each in [*calls, steps.delay(), one.s(6).apply_async(countdown=0.1)]]


def ignored_with_a_state():
    result = others.ignores_with_a_state.delay()
    settled()
    found = AsyncResult(result.id, app=tasks.spend.app)
    return [found.state, found.info]


def handlers_of_a_retry():
    return [end_of(others.is_told.delay(1, key=False)), lines(7)]


def handlers_of_what_is_not_retried():
    return [end_of(others.is_told.delay(1, key=True)), lines(3)]


def handler_given_to_the_decorator():
    return [end_of(others.has_its_own_handler.delay(1)), lines(1, "own on_failure")]


def retry_with_some_arguments():
    calls = (((), {"n": 1, "k": 3}), ((1, 2), {}), ((1,), {"m": 2}))
    return [end_of(others.retries_with_other_args.delay(*args, **kwargs)) for args, kwargs in calls]


def retries_that_are_used_up():
    return end_of(others.gives_up.delay(1))


def most_retries_that_are_overridden():
    return end_of(others.overrides.delay())


def attributes_of_a_task():
    return end_of(others.says_its_attributes.delay())


def event_of_its_own():
    return end_of(others.sends_an_event.delay())


def aborted():
    result = others.can_be_aborted.delay()
    lines(1, "runs")
    AbortableAsyncResult(result.id, app=tasks.spend.app).abort()
    lines(1, "aborted")
    return end_of(result)


def shadow_of_a_call():
    called = others.wears_a_shadow.apply_async(shadow="a name for logs")
    step = chain(asked.adds_one.si(1), others.wears_a_shadow.si().set(shadow="of a step")).delay()
    return [end_of(called), end_of(step), end_of(others.names_its_calls.delay(3))]


def every_kind_of_parameter():
    calls = (((1,), {}), ((1, 5), {"c": 4}), ((1, 5, 6, 7), {"c": 4, "z": 8}), ((), {"a": 1, "y": None}))
    named = others.has_common_names.delay(queue="q", owner=1, args=[2], kwargs={"a": 3}, countdown=4)
    return [end_of(others.has_defaults.delay(*args, **kwargs)) for args, kwargs in calls] + [end_of(named)]


def failure_of_a_hard_limit():
    return end_of(others.takes_too_long.delay(1))


def failure_of_a_reject():
    others.rejects.delay(1)
    return [settled(), lines(1, "failure")]


def result_with_its_call():
    first, second = asked.adds_one.delay(3), asked.adds_one.delay(n=4)
    end_of(first), end_of(second)
    found = [AsyncResult(each.id, app=tasks.spend.app) for each in (first, second)]
    return [[each.name, list(each.args), each.kwargs, each.retries, type(each.date_done).__name__] for each in found]


def step_after_a_failure_by_its_id():
    result = chain(tasks.breaks.s(1), tasks.adds.s(1), tasks.adds.s(1)).delay()
    end_of(result.parent.parent)
    settled()
    found = AsyncResult(result.id, app=tasks.spend.app)
    try:
        found.get(timeout=PATIENCE_S)
    except tasks.Special as error:
        return [found.state, str(error)]


def results_of_all_sorts():
    made = group(asked.adds_one.s(n) for n in range(3)).apply_async()
    seen = [made.get(timeout=PATIENCE_S), [each.get() for each in made], len(made), made.waiting(), made.failed()]
    steps = chain(asked.adds_one.s(1), asked.adds_one.s())()
    seen += [steps.get(timeout=PATIENCE_S), steps.parent.get(), [value for _, value in steps.collect()]]
    again = result_from_tuple(steps.as_tuple(), app=tasks.spend.app)
    seen += [steps.get_leaf(), again.get(timeout=PATIENCE_S), again.parent.get(), again == steps]
    both = ResultSet([asked.adds_one.delay(1), asked.adds_one.delay(2)])
    seen += [both.join(timeout=PATIENCE_S), len(both.join(propagate=False))]
    broken = ResultSet([asked.adds_one.delay(1), asked.raises_many.delay()])
    for ask in (lambda: broken.join(timeout=PATIENCE_S), lambda: broken[1].maybe_throw()):
        try:
            ask()
        except tasks.Special as error:
            seen.append(str(error))
    return [*seen, broken.failed(), broken.successful()]


def signatures_of_all_sorts():
    one, two = asked.adds_one, tasks.adds
    plain, as_dict = one.signature((1,), countdown=0.1), dict(one.s(4))
    ends = [plain, plain.clone().set(countdown=0), Signature.from_dict(as_dict), subtask(as_dict), one.subtask((5,))]
    ends += [maybe_signature(as_dict, app=one.app), two.s(1).clone((5,)), two.s(x=1, y=2), two.si(1, 2)]
    ends += [one.s(1) | one.s() | one.s(), chain([one.s(1), one.s()]), chain(one.s(1))]
    seen = [end_of(each.apply_async()) for each in ends]
    seen += [end_of(each) for each in (two.s(1).delay(2), two.s(x=1).delay(y=2), chain(one.s(), one.s()).delay(5))]
    seen += [one.s(7)(), one(8), one.s().apply((10,)).get(), one.apply(args=[11], throw=True).get()]
    seen += [group(one.s(), one.s()).delay(3).get(timeout=PATIENCE_S), group(one.s(1), one.s(2)).apply().get()]
    seen.append(group(one.s(1), one.s(2)).skew(start=0, stop=1).apply_async().get(timeout=PATIENCE_S))
    frozen = one.s(1)
    result = frozen.freeze(uuid())
    frozen.apply_async()
    seen += [end_of(result), frozen.id == result.id]
    linked = one.s(1)
    linked.link(tasks.spend.s())
    return [*seen, end_of(linked.delay()), lines(1, "spend")]


def retries_in_place():
    results = [tasks.stubborn.apply((1,)), tasks.tries_another.apply((1,)), many.retries_without_raising.apply()]
    return [[each.state, repr(each.result)] for each in results]


def function_of_a_task():
    one = asked.adds_one
    seen = [one.run(1), one.__wrapped__(1), one.__name__, one.__module__, one.__doc__, one.name]
    return [*seen, end_of(others.is_remembered.delay())]


def moments_of_all_sorts():
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    options = [{"eta": soon}, {"eta": soon.replace(tzinfo=None)}, {"eta": soon.isoformat()}, {"countdown": -5}]
    seen = [end_of(asked.adds_one.apply_async((1,), **each)) for each in options]
    minute = timedelta(minutes=1)
    for each in ({"countdown": "1"}, {"countdown": minute}, {"expires": minute}, {"expires": "60"}, {"eta": minute}):
        try:
            asked.adds_one.apply_async((1,), **each)
        except Exception:
            seen.append("refused")
    return seen


def calls_that_are_none():
    seen, one = [], asked.adds_one
    for args, kwargs in (((), {}), ((1, 2), {}), ((), {"m": 1}), ("1", {}), (1, {}), ((), [1]), ({1}, {})):
        try:
            one.apply_async(args, kwargs)
        except TypeError as error:
            seen.append(type(error).__name__)
    return seen

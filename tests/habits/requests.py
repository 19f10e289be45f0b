"""What a task knows of itself: ``self.request``, its name and options, its log; and calls in eager mode."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from celery import chain
from celery.result import AsyncResult
from celery.utils.nodenames import anon_nodename

from tests.habits.cases import end_of, lines
from tests.habits.team import asked, tasks
from tests.habits.team.celery import app

VALUES = (
    UUID(int=1), Decimal("1.10"), date(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1),
    b"x\xff", (1, (2,)), {1: {2: 3}}, None, "", 0, 1.5, [UUID(int=2)],
)  # fmt: skip


def request_of_a_call():
    return end_of(asked.asks_itself.delay(1, x=2))


def request_of_a_call_with_options():
    moment = datetime.now(UTC) + timedelta(minutes=1)
    state, said = end_of(asked.asks_itself.apply_async((1,), headers={"a": 1}, expires=moment))
    said["expires"] = abs(datetime.fromisoformat(said["expires"]) - moment) < timedelta(seconds=1)
    return [state, said]


def request_of_a_message_for_sqs():
    return end_of(tasks.spend.apply_async((1,), MessageGroupId="x"))


def message_of_a_call_with_options_that_nobody_knows():
    options = {"once": {"graceful": True}, "colour": 5, "delivery_mode": 1, "reply_to": "me"}
    others = {"correlation_id": "c", "reply_to": "me"}
    signed = asked.says_its_message.si().set(colour=6, reply_to="me")
    steps = chain(asked.adds_one.s(4), asked.says_its_message.s().set(colour=7, reply_to="me"))
    calls = [asked.says_its_message.apply_async(**each) for each in (options, others)]
    return [end_of(each) for each in (*calls, signed.apply_async(), steps.apply_async())]


def origin_of_a_call():
    return end_of(asked.says_its_origin.delay())[1] == anon_nodename()


def results_of_what_a_task_calls():
    result = asked.calls_two.delay()
    _, called = end_of(result)
    lines(2, "called")
    found = [result, AsyncResult(result.id, app=tasks.spend.app)]
    return [sorted(child.id for child in each.children) == sorted(called) for each in found]


def ids_of_what_a_task_calls():
    end_of(asked.calls_another.delay())
    return lines(2, "called")


def ids_in_a_chain():
    end_of(chain(asked.called.si(False), asked.called.si(False), asked.called.si(False))())
    return lines(3, "called")


def limits_of_a_call():
    soft = end_of(asked.is_limited.apply_async((5,), soft_time_limit=1, time_limit=20))
    hard = end_of(asked.sleeps_a_while.apply_async((5,), time_limit=1))[0]
    signed = end_of(asked.is_limited.s(5).set(soft_time_limit=1).apply_async())
    return [soft, hard, signed, end_of(asked.is_limited.delay(0))]


def limits_of_a_step():
    steps = chain(asked.adds_one.s(4), asked.is_limited.s().set(soft_time_limit=1), asked.says_type.s())
    return end_of(steps.apply_async())


def task_under_a_wrapper():
    return [end_of(asked.is_wrapped.delay(1)), end_of(asked.is_wrapped.delay(x=1, y=3))]


def class_with_a_request():
    return end_of(asked.has_a_request.delay(1))


def values_of_a_call():
    return [end_of(asked.says_type.delay(value)) for value in VALUES]


def eager_calls():
    for each in (app, tasks.spend.app):
        each.conf.task_always_eager = True
    try:
        seen = [asked.says_type.delay(value).get() for value in VALUES]
        for value in (object(), {1}):
            try:
                asked.says_type.delay(value)
            except Exception as error:
                seen.append(type(error).__name__)
        try:
            asked.says_type.delay()
        except TypeError:
            seen.append("TypeError")
        failed = asked.raises_many.delay()
        return [*seen, failed.state, chain(tasks.adds.s(1, 1), tasks.adds.s(2))().get()]
    finally:
        for each in (app, tasks.spend.app):
            each.conf.task_always_eager = False

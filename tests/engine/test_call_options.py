"""Options of a call that a row keeps: when it expires, headers of its message, and what a retry changes."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest
from celery import chain
from celery.result import AsyncResult

from tasks.base import Secret, job
from tasks.engine import lifecycle
from tasks.engine.errors import NotInState
from tasks.engine.models import Job, LogLine
from tests.support.runs import perform
from tests.tasks import add

pytestmark = pytest.mark.django_db(transaction=True)


@job(name="options_expires", expires=60)
def expires(n=1):
    return n


@job(name="options_headers", bind=True)
def headers(self, n=None):
    return [self.request.headers.get("tenant"), self.request.get("tenant")]


@job(name="options_retries", bind=True, max_retries=2)
def retries(self, n, key: Annotated[str, Secret] = "k", **options):
    if self.request.retries:
        return [n, len(key), self.request.headers.get("tenant"), options]
    try:
        raise ValueError("the true error")
    except ValueError as error:
        raise self.retry(exc=error, countdown=0, **options) from None


def soon(row: Job) -> datetime:
    assert row.expires_at is not None
    return row.expires_at - row.created_at


@pytest.mark.parametrize("by", ["kind", "call", "moment", "set"])
def test_a_job_says_when_it_expires(by):
    match by:
        case "kind":
            expires.delay()
        case "call":
            add.apply_async((1,), expires=60)
        case "moment":
            add.apply_async((1,), expires=datetime.now(UTC) + timedelta(seconds=60))
        case "set":
            add.s(1).set(expires=60).delay()
    assert timedelta(seconds=50) < soon(Job.objects.get()) <= timedelta(seconds=61)


def test_a_step_of_a_chain_expires_from_its_beginning_on():
    chain(add.s(1), add.s(1).set(expires=60)).delay()
    first = Job.objects.get()
    assert first.expires_at is None
    perform(first)
    assert timedelta(seconds=50) < soon(Job.objects.latest("id")) <= timedelta(seconds=61)


def test_what_has_expired_is_not_claimed_and_ends_cancelled():
    result = add.apply_async((1,), expires=60)
    Job.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    row = Job.objects.get()
    assert lifecycle.claim(row.uid, "w", 1) is None
    assert lifecycle.claim_next([row.queue], ["add"], "w", 1) is None
    lifecycle.wake()
    row.refresh_from_db()
    assert (row.state, row.cancel_reason, row.attempt) == ("cancelled", "expired", 0)
    assert AsyncResult(result.id).state == "REVOKED"
    with pytest.raises(NotInState):
        lifecycle.take_back(row.uid)
    assert perform(lifecycle.retry(row.uid)).state == "succeeded", "a person may run it all the same"


def test_a_watched_task_that_has_expired_is_not_ours_to_end():
    add.apply_async((1,), expires=60)
    Job.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1), app="shop")
    lifecycle.wake()
    assert Job.every.get().state == "queued"


def test_what_has_expired_is_not_woken():
    add.apply_async((1,), countdown=60, expires=30)
    late, kept = Job.objects.get(), add.apply_async((2,), countdown=60, expires=90)
    past = datetime.now(UTC) - timedelta(seconds=1)
    Job.objects.filter(pk=late.pk).update(due_at=past, expires_at=past)
    Job.objects.filter(uid=kept.id).update(due_at=past)
    assert lifecycle.wake() == 1
    assert list(Job.objects.order_by("id").values_list("state", flat=True)) == ["cancelled", "queued"]


def test_headers_of_a_call_are_in_the_request_and_go_along_a_chain():
    headers.apply_async(headers={"tenant": "acme"}, link=headers.si())
    first = perform(Job.objects.get())
    second = perform(Job.objects.latest("id"))
    assert [first.result, second.result] == [["acme", "acme"]] * 2
    with pytest.raises(ValueError, match="headers take at most 8,192 bytes"):
        headers.apply_async(headers={"tenant": "x" * 9_000})


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({"args": (7,)}, [7, 1, None, {"args": [7]}]),
        ({"kwargs": {"n": 8, "key": "long"}, "args": ()}, [8, 4, None, {}]),
        ({"kwargs": {"key": "•••"}, "args": (9,)}, [9, 6, None, {}]),
        ({"headers": {"tenant": "acme"}, "priority": 9}, None),
    ],
)
def test_a_retry_changes_the_call(options, result):
    retries.delay(1, "sesame", **options)
    row = perform(Job.objects.get())
    assert (row.state, row.error) == ("retrying", "ValueError: the true error")
    Job.objects.update(state="queued", due_at=None)
    done = perform(row)
    assert done.state == "succeeded", done.error
    if result:
        assert done.result == result and "sesame" not in str(done.params)
    else:
        assert done.result[2] == "acme" and done.priority == 9


def test_a_retry_that_asks_for_what_no_job_can_do_is_a_retry_with_the_true_error():
    retries.delay(1, shadow="x", priority=99)
    row = perform(Job.objects.get())
    assert (row.state, row.error) == ("retrying", "ValueError: the true error")
    said = list(LogLine.objects.filter(level="warning").values_list("text", flat=True))
    assert any("retry cannot change shadow" in text for text in said), said

"""Signals of publishing: once for a call, before the row, with the real arguments; headers go where the job goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import chain, signals
from celery.utils.nodenames import anon_nodename

from tasks.base import job
from tasks.engine.models import Job
from tests.tasks import add
from tests.worker.test_trace import message

pytestmark = pytest.mark.django_db(transaction=True)
seen: list[Any] = []


@job(name="publish_tenant", bind=True)
def tenant(self, n: int = 0) -> str:
    return f"{self.request.tenant} {self.request.headers.get('tenant')} {n}"


@contextmanager
def connected(signal: Any, receiver: Any) -> Iterator[None]:
    signal.connect(receiver, weak=False)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def add_tenant(sender=None, body=None, headers=None, **_):
    seen.append((sender, body[0], dict(body[1]), headers["id"], Job.objects.count()))
    headers["tenant"] = "acme"


@pytest.fixture(autouse=True)
def fresh() -> None:
    seen.clear()


def test_it_fires_once_before_the_insert_with_the_real_arguments():
    after = []
    with (
        connected(signals.before_task_publish, add_tenant),
        connected(signals.after_task_publish, lambda sender, headers, **_: after.append((sender, headers["id"]))),
    ):
        uid = tenant.delay(5).id
    assert seen == [(tenant.name, (5,), {}, uid, 0)]
    assert after == [(tenant.name, uid)]
    stored = Job.objects.get()
    assert stored.headers == {"tenant": "acme", "signalbox_origin": anon_nodename()}
    assert "acme" not in str(stored.summary())


def test_headers_reach_prerun_and_the_request_and_are_inherited_along_a_chain():
    received = []

    def prerun(task=None, **_):
        received.append(task.request.get("tenant"))

    with connected(signals.before_task_publish, add_tenant), connected(signals.task_prerun, prerun):
        chain(tenant.si(1), tenant.si(2))()
        message(tenant, str(Job.objects.get().uid))
        second = Job.objects.get(parent__isnull=False)
        message(tenant, str(second.uid))
    assert received == ["acme", "acme"]
    assert len(seen) == 1, "a step of a chain is no call from code"
    second.refresh_from_db()
    assert second.result == "acme acme 2"


def test_arguments_that_a_handler_adds_arrive_at_prerun_and_not_at_the_function():
    def put(body=None, **_):
        body[1]["_language"] = "sv"

    taken = []

    def take(kwargs=None, **_):
        taken.append(kwargs.pop("_language"))

    with connected(signals.before_task_publish, put), connected(signals.task_prerun, take):
        uid = add.delay(x=1, y=2).id
        message(add, uid)
    done = Job.objects.get()
    assert (taken, done.state, done.result, done.params) == (["sv"], "succeeded", 3, {"x": 1, "y": 2})


def test_what_a_job_cannot_keep_or_honour_is_refused_in_a_sentence():
    def much(headers=None, **_):
        headers["blob"] = "x" * 9_000

    def odd(headers=None, **_):
        headers["blob"] = object()

    def later(headers=None, **_):
        headers["eta"] = "2030-01-01T00:00:00Z"

    for handler, error, sentence in (
        (much, ValueError, "a job keeps 8 KiB of headers, and these are 9,0"),
        (odd, TypeError, "the headers of a job are JSON: "),
        (later, TypeError, "before_task_publish cannot change 'eta' of a job; give it to the call"),
    ):
        with connected(signals.before_task_publish, handler), pytest.raises(error, match=sentence):
            add.delay(1, 2)
    assert not Job.objects.exists()


def test_a_task_id_that_is_taken_is_refused_and_an_idempotency_key_is_not():
    first = add.delay(1, 2)
    with pytest.raises(ValueError, match="a job with this task_id exists and is queued, and a job is one call"):
        add.apply_async((1, 2), task_id=first.id)
    assert Job.objects.count() == 1

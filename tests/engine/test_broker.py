"""Messages never hold up a submit: not when the broker is away, and not when it never answers."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from kombu.transport import pyamqp, redis  # noqa: F401 - the first import of a driver is not what is measured
from redis import Redis

from tasks.engine import broker as queues
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.engine.uid import uuid7
from tasks.worker import sweep

MOST_S = 1.0  # half of what kombu waits by default before its second try


@contextmanager
def refusing() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def silent() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.mark.parametrize("broker", [refusing, silent])
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_message_waits_for_no_broker(scheme, broker, settings, monkeypatch):
    monkeypatch.setattr(queues, "_producers", {})
    monkeypatch.setattr(queues, "_quiet_until", 0.0)
    with broker() as port:
        settings.SIGNALBOX_BROKER_URL = f"{scheme}://127.0.0.1:{port}/0"
        began = time.monotonic()
        assert queues.notify_workers([queues.Message(uuid7(), "noop", "default", 5)]) == 0
        assert time.monotonic() - began < MOST_S
        began = time.monotonic()
        assert queues.notify_workers([queues.Message(uuid7(), "noop", "default", 5)]) == 0
        assert time.monotonic() - began < 0.02  # it sulks


@pytest.fixture
def broker():
    """A link to the broker, where the queue is declared, as a worker does it, and nothing waits."""
    with Redis.from_url(settings.SIGNALBOX_BROKER_URL) as link, queues._connection() as connection:
        link.flushdb()
        queues.declared(["default"])[0](connection).declare()
        yield link


def test_many_messages_are_one_round_trip(broker):
    """As they come from ``submit_many``: a broker that is far away makes one wait of it, not hundreds."""
    queues.notify_workers([queues.Message(uuid7(), "noop", "default", 5)])  # opens the connection
    before = broker.info("stats")["total_reads_processed"]
    assert queues.notify_workers([queues.Message(uuid7(), "noop", "default", 5) for _ in range(300)]) == 300
    assert broker.info("stats")["total_reads_processed"] - before < 150  # by size, not by number


def test_messages_that_wait_are_counted_whatever_their_priority(broker):
    assert queues.ready("default") == 0
    queues.notify_workers([queues.Message(uuid7(), "noop", "default", n % 10) for n in range(25)])
    assert queues.ready("default") == 25


def test_each_of_many_messages_calls_its_own_job(broker):
    messages = [queues.Message(uuid7(), "noop", "default", 9) for _ in range(20)]
    queues.notify_workers(messages)
    letters = [json.loads(text) for text in broker.lrange(f"{settings.SIGNALBOX_NAME}:signalbox.default", 0, -1)]
    calls = [(letter["headers"]["id"], letter["properties"]["correlation_id"]) for letter in letters]
    assert calls == [(str(message.uid), str(message.uid)) for message in reversed(messages)]
    assert len({letter["properties"]["delivery_tag"] for letter in letters}) == len(messages)


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_message_waits_gets_no_other(broker):
    """Or a queue that is served slowly would be filled with messages that call nobody."""
    lifecycle.submit_many("noop", [{}] * 20)
    Job.objects.update(rung_at=lifecycle.now() - timedelta(minutes=1))
    sweep.dispatch()
    assert queues.ready("default") == 20
    broker.flushdb()
    with queues._connection() as connection:
        queues.declared(["default"])[0](connection).declare()
    sweep.dispatch()
    assert queues.ready("default") == 20  # nothing was there: each gets one more message


@pytest.mark.django_db(transaction=True)
def test_messages_are_sent_to_a_redis_that_was_emptied():
    """What a sender has declared is gone there, and it may not know."""
    lifecycle.submit("noop", {})
    assert queues.ready("default") >= 1
    with Redis.from_url(settings.SIGNALBOX_BROKER_URL) as link:
        link.flushdb()
    lifecycle.submit("noop", {})
    assert queues.ready("default") == 1

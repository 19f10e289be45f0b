"""The only file that talks to the broker: sends the messages of queued jobs and counts the messages that wait.

A message carries a job's id. It may be lost, doubled or late without harm. So sending never waits long or raises.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from kombu import Connection, Exchange, Queue
from kombu.exceptions import ChannelError

from tasks.engine import registry
from tasks.engine.celery_app import app
from tasks.engine.log_context import REQUEST, request_id

log = logging.getLogger(__name__)

PATIENCE_S = 0.25  # for each step of the broker's protocol
ROOM = 64  # messages that may wait in a queue: a further one would start no job sooner
DEPTH_S = 1.0  # for how long the depth of a queue on RabbitMQ, once asked for, is taken as known
QUIET_S = 2.0  # for how long nothing is sent after a failure: the dispatcher sends what was missed
_lock = threading.Lock()
_producers: dict[int, Any] = {}  # by process id: a forked child must not share its parent's socket
_depths: dict[str, tuple[int, float]] = {}  # of queues on RabbitMQ: messages, and until when that is known
_quiet_until = 0.0


class Message(NamedTuple):
    """What a message says. Messages that differ in ``uid`` only are sent as copies of one."""

    uid: UUID
    kind: str
    queue: str
    priority: int
    is_call: bool = False  # any job of its queue will do: it is not sent where enough wait


def broker_name(queue: str) -> str:
    """The queue's name in the broker. It begins with SIGNALBOX_NAME, as several installations can share a broker."""
    return f"{settings.SIGNALBOX_NAME}.{queue}"


def declared(names: Iterable[str]) -> list[Queue]:
    """The queues as Celery declares them; a worker without ``-Q`` serves them all."""
    levels = {} if _low_first() else {"x-max-priority": 9}
    return [
        Queue(broker_name(name), Exchange(broker_name(name)), broker_name(name), queue_arguments=levels)
        for name in names
    ]


def transport() -> str | None:
    """The class that reads our messages from Redis. Other applications of the process keep Kombu's own."""
    return "tasks.worker.transport:Transport" if _low_first() else None


def transport_options(patience: float = 5.0) -> dict[str, Any]:
    """Options for every connection to the broker. Timeouts in seconds."""
    if not _low_first():
        return {}
    return {
        "global_keyprefix": f"{settings.SIGNALBOX_NAME}:",
        "priority_steps": list(range(10)),
        "queue_order_strategy": "round_robin",  # within a priority queues take turns; "priority" empties one by one
        "visibility_timeout": 86_400,  # recovery comes from the job row; a second delivery would only be refused
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }


def notify_workers(messages: Iterable[Message]) -> int:
    """Send the messages and return how many were sent. Never raises. Waits half a second at most."""
    global _quiet_until
    sent = 0
    with _lock:
        if time.monotonic() < _quiet_until:
            return 0
        try:
            producer = _producer()
            with producer.batch():  # one round trip for all messages
                for alike in _alike(messages):
                    sent += _send(producer, *alike)
        except Exception as error:
            _forget()
            _quiet_until = time.monotonic() + QUIET_S
            log.warning("The broker cannot be reached (%s); the dispatcher will send again.", type(error).__name__)
    return sent


def reached() -> bool:
    """Whether this process could send its last messages, as far as it knows."""
    return time.monotonic() >= _quiet_until


def ready(queue: str) -> int:
    """How many messages wait in a queue, all priorities together. Raises what the broker's driver raises."""
    with _connection() as connection, connection.channel() as channel:
        try:
            return channel.queue_declare(queue=broker_name(queue), passive=True).message_count
        except ChannelError:  # no such queue yet, so nothing waits in it
            return 0
        except connection.channel_errors:
            return 0


def _alike(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """Messages that differ in the job only, in their order; of calls to one queue no more than it has room for."""
    calls: dict[str, int] = {}
    for _, alike in groupby(messages, lambda message: message[1:]):
        found = list(alike)
        if found[0].is_call:
            sent = calls.get(found[0].queue, 0)
            calls[found[0].queue] = min(sent + len(found), ROOM)
            found = found[: ROOM - sent]
        if found:
            yield found


def _send(producer: Any, message: Message, *others: Message) -> int:
    """Send a message, and others of its kind, queue and priority. Returns how many. The channel makes the copies."""
    copies = producer.channel if hasattr(producer.channel, "also") else None
    if copies:
        copies.also = [str(other.uid) for other in others]
        copies.room = ROOM if message.is_call else None
    elif message.is_call and not _has_room(message.queue):
        return 0
    try:
        _publish(producer, message)
    finally:
        if copies:
            copies.also, copies.room = [], None
    return 1 + (len(others) if copies else sum(_send(producer, other) for other in others))


def _has_room(queue: str) -> bool:
    """Whether a queue of RabbitMQ has room for a call, as its depth was a moment ago; the call is counted."""
    depth, until = _depths.get(queue, (0, 0.0))
    if time.monotonic() > until:
        depth, until = ready(queue), time.monotonic() + DEPTH_S
    _depths[queue] = (depth + (depth < ROOM), until)
    return depth < ROOM


def _publish(producer: Any, message: Message) -> None:
    """As Celery publishes a task, without its signals: those belong to the call that made the job's row."""
    task, headers = registry.celery_name(message.kind), {REQUEST: request_id.get()} if request_id.get() else {}
    made = app.amqp.as_task_v2(str(message.uid), task, (), {}, ignore_result=True)
    queue = app.amqp.queues[broker_name(message.queue)]
    producer.publish(
        made.body,
        exchange="",  # leads to each queue by its name; bindings to others are gone from a Redis that was emptied
        routing_key=queue.name,
        declare=[queue],
        serializer="json",
        delivery_mode=2,
        headers=made.headers | headers,
        priority=_urgency(message.priority),
        retry=False,
        **made.properties,
    )


def _urgency(priority: int) -> int:
    """Redis serves low numbers first, AMQP high ones; 9 is the most urgent here."""
    return 9 - priority if _low_first() else priority


def _low_first() -> bool:
    return settings.SIGNALBOX_BROKER_URL.startswith(("redis", "valkey", "unix", "sentinel"))


def _connection() -> Connection:
    # Without these two kombu waits 2 s before its one further try, however short the timeouts are.
    once = {"max_retries": 1, "interval_start": 0}
    return Connection(
        settings.SIGNALBOX_BROKER_URL,
        transport=transport(),
        connect_timeout=PATIENCE_S,
        transport_options=transport_options(PATIENCE_S) | once,
    )


def _producer() -> Any:
    if os.getpid() not in _producers:
        _producers.clear()
        _producers[os.getpid()] = app.amqp.Producer(_connection(), auto_declare=False)
    return _producers[os.getpid()]


def _forget() -> None:
    producer = _producers.pop(os.getpid(), None)
    if producer is not None:
        try:
            producer.connection.collapse()
        except Exception:
            log.debug("A broken broker connection did not close.", exc_info=True)

"""Reads messages from Redis without trust: of a message for a known kind, only the job's id is used.

So pickles, chains, callbacks, times and malformed envelopes do nothing, and end no worker as in plain Celery.
Messages of Celery tasks that are no jobs pass unchanged, if their envelope is well formed. This module also corrects
Kombu's own channel to Redis.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from kombu.transport import redis, virtual
from kombu.utils.json import dumps

from tasks.engine import registry
from tasks.engine.celery_app import app

MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
NO_ARGUMENTS = '[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
OURS = "signalbox_"  # headers of our own, such as the id of the request that asked for the job

WAITING = """local waiting = 0
for i = 2, #KEYS do waiting = waiting + redis.call('LLEN', KEYS[i]) end
"""
COUNT = f"{WAITING}return waiting"
IF_ROOM = f"""{WAITING}for i = 2, math.min(#ARGV, tonumber(ARGV[1]) - waiting + 1) do
redis.call('LPUSH', KEYS[1], ARGV[i]) end"""

log = logging.getLogger(__name__)


def opened(payload: Any) -> dict[str, Any]:
    """Return the envelope that Celery is given."""
    headers = payload.get("headers") if isinstance(payload, dict) else None
    headers = headers if isinstance(headers, dict) else {}
    task, uid = headers.get("task"), headers.get("id")
    if not (isinstance(task, str) and isinstance(uid, str) and len(uid) <= 64):
        return plain(payload, {}, "null")
    if registry.knows(task):
        own = {name: text[:64] for name, text in headers.items() if name.startswith(OURS) and isinstance(text, str)}
        return plain(payload, own | {"lang": "py", "task": registry.celery_name(task), "id": uid}, NO_ARGUMENTS)
    if task in app.tasks and isinstance(payload.get("body"), str):
        return payload | {"properties": properties(payload, body_encoding="base64")}
    return plain(payload, {}, "null")


def plain(payload: Any, headers: dict[str, Any], body: str) -> dict[str, Any]:
    """An envelope with a body of ours. What no task is named in is thrown away by Celery, with a line in the log."""
    kind = {"content-type": "application/json", "content-encoding": "utf-8"}
    return {"body": body, "headers": headers, "properties": properties(payload), **kind}


def properties(payload: Any, **more: Any) -> dict[str, Any]:
    """Where it came from, for a message that goes back into its queue; with a tag of this process's own."""
    given = payload.get("properties") if isinstance(payload, dict) else None
    info = given.get("delivery_info") if isinstance(given, dict) else None
    where = {
        name: str((info if isinstance(info, dict) else {}).get(name) or "") for name in ("exchange", "routing_key")
    }
    urgency = given.get("priority") if isinstance(given, dict) else None
    urgency = urgency if isinstance(urgency, int) and 0 <= urgency <= 9 else 0
    return {"delivery_tag": str(uuid4()), "delivery_info": where, "priority": urgency, **more}


def copy_message(message: dict[str, Any], uid: str) -> dict[str, Any]:
    """Copy a message that Celery made, for another job."""
    headers = message["headers"] | {"id": uid, "root_id": uid}
    own = message["properties"] | {"correlation_id": uid, "delivery_tag": str(uuid4())}
    return message | {"headers": headers, "properties": own}


class RedisMessage(virtual.Message):
    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        super().__init__(opened(payload), channel=channel, **options)


class Channel(redis.Channel):
    """Sends copies of the next message for each id in ``also``.

    Celery takes a quarter of a millisecond to make a message, and these messages differ in the id alone.
    """

    Message = RedisMessage
    also: Sequence[str] = ()
    _commands: Any = None
    room: int | None = None  # send only while fewer messages than this wait in the queue

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """One client for all commands: Kombu makes one for each, which takes a quarter of a millisecond."""
        if client is None and (self._commands is None or self._commands.connection_pool is not self.pool):
            self._commands = self._create_client()
        yield client or self._commands

    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:
        if self.room is not None:
            self._put_while_room(queue, message, **options)
            return
        for each in (message, *(copy_message(message, uid) for uid in self.also)):
            super()._put(queue, each, **options)

    def _put_while_room(self, queue: str, message: dict[str, Any], _publish_batch: Any = None, **_: Any) -> None:
        """In one step on the server, since others send at the same time. Only copies that may find room are made."""
        keys = [f"{self.global_keyprefix}{self._q_for_pri(queue, step)}" for step in self.priority_steps]
        own = f"{self.global_keyprefix}{self._q_for_pri(queue, self._get_message_priority(message, reverse=False))}"
        keys = [own, *keys]
        with self.conn_or_acquire() as client:
            also = self.also and self.also[: max(0, self.room - 1 - client.eval(COUNT, len(keys), *keys))]
            copies = [dumps(copy_message(message, uid)) for uid in also]
            command = (IF_ROOM, len(keys), *keys, self.room, dumps(message), *copies)
            if _publish_batch is not None:
                _publish_batch.add("eval", *command)
            else:
                client.eval(*command)

    def _brpop_read(self, **options: Any) -> Any:
        """Read the next message. One without a valid envelope is dropped: it has left the queue already."""
        try:
            return super()._brpop_read(**options)
        except MALFORMED:
            log.warning("a message in the broker was not valid, and is thrown away", exc_info=True)
            raise redis.Empty from None

    def _has_queue(self, queue: str, **_: Any) -> bool:
        """Kombu asks with EXISTS, to which it adds no ``global_keyprefix``: no queue ever seems to have a message."""
        return self._size(queue) > 0


class Transport(redis.Transport):
    Channel = Channel

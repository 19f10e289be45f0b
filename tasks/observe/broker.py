"""Connections to a watched application's broker, and what its queues hold. Reads only.

Redis keeps each queue as lists, one for each priority, and what was delivered and not acknowledged in ``unacked``.
RabbitMQ is asked for counts alone: getting a message and putting it back marks it, and can destroy it.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from django.conf import settings
from kombu import Connection
from kombu.transport import pyamqp
from kombu.transport import redis as kombu_redis

from tasks.observe.events import ID, NAME, TEXT, is_shallow
from tasks.observe.fold import epoch
from tasks.observe.looks import Held

PEEKED = 1_000  # messages of a queue, those that run next
UNACKED = 2_000
SCANS, SCANNED = 10, 1_000  # of one look: commands, and keys of each, among which bindings are sought
BINDINGS = 1_000
STEPS, SEPARATOR = [0, 3, 6, 9], "\x06\x16"
VISIBILITY_S = 3_600
TIMEOUT_S = 5.0


class QoS(kombu_redis.QoS):
    """Kombu's QoS, but it restores no message of the application into a queue: its own workers do that."""

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Each client of Redis restores messages by its own visibility timeout. The application's may be longer."""


class Channel(kombu_redis.Channel):
    QoS = QoS


class Transport(kombu_redis.Transport):
    Channel = Channel


def redis_client(url: str, timeout: float | None = TIMEOUT_S) -> redis.Redis:
    """A client of its own, which no setting of ours reaches."""
    more = {"socket_timeout": timeout, "socket_connect_timeout": TIMEOUT_S, "health_check_interval": 0, "protocol": 2}
    if url.startswith("redis+socket://"):
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        return redis.Redis(
            unix_socket_path=unquote(parts.path), db=int(options.get("virtual_host", 0)),
            username=parts.username and unquote(parts.username), password=parts.password and unquote(parts.password),
            socket_timeout=timeout, protocol=2,
        )  # fmt: skip
    return redis.Redis.from_url(url, **more)


def database_of(url: str) -> int:
    """The number of the database, which is part of the names of channels."""
    parts = urlsplit(url)
    if url.startswith("redis+socket://"):
        return int(dict(parse_qsl(parts.query)).get("virtual_host", 0))
    return int(parts.path.strip("/") or 0)


def connection(url: str, options: Mapping[str, Any], heartbeat: float = 0) -> Connection:
    """A connection of kombu's with kombu's own transport, whatever this process uses for our own broker."""
    once = {"max_retries": 1, "interval_start": 0}
    if url.startswith("redis"):
        more = {name: options[name] for name in ("global_keyprefix", "priority_steps", "sep") if name in options}
        more |= {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "socket_keepalive": True}
    else:  # a RabbitMQ that holds its publishers back does not answer at all
        more = {"read_timeout": TIMEOUT_S, "write_timeout": TIMEOUT_S}
    amqp = pyamqp.SSLTransport if url.startswith("amqps") else pyamqp.Transport
    transport = Transport if url.startswith("redis") else amqp
    return Connection(
        url, transport=transport, connect_timeout=TIMEOUT_S, heartbeat=heartbeat, transport_options=more | once
    )


def glob(text: str) -> str:
    """A text as a pattern of Redis that means only itself."""
    return "".join(f"\\{c}" if c in "*?[]\\^" else c for c in text)


def is_ours(queue: str) -> bool:
    """Whether a queue is not the application's: one of our own on a shared broker, or one that Celery makes itself."""
    own = queue.startswith(f"{settings.SIGNALBOX_NAME}.")
    return own or queue.endswith(".pidbox") or queue.startswith(("celeryev", "reply.", "signalbox-observe."))


class RedisQueues:
    """What waits in Redis. ``options``: global_keyprefix, priority_steps, sep, visibility_timeout, queues."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.client = redis_client(url)
        self.prefix = options.get("global_keyprefix", "")
        self.steps = options.get("priority_steps", STEPS)
        self.separator = options.get("sep", SEPARATOR)
        self.visibility = options.get("visibility_timeout", VISIBILITY_S)
        self.named = list(options.get("queues", []))
        self.refused: set[str] = set()  # what an access list does not allow
        self.cursor = 0
        self.bindings = {f"{self.prefix}_kombu.binding.celery".encode()}  # keys; that of Celery's own exchange first

    def _keys(self, queue: str) -> list[str]:
        """The list of each priority."""
        plain = f"{self.prefix}{queue}"
        return [f"{plain}{self.separator}{step}" if step else plain for step in self.steps]

    def names(self) -> set[str]:
        """Queues that the broker's bindings name. A server with millions of keys is searched some at a time."""
        found: set[str] = set(self.named)
        try:
            self._search()
            for key in sorted(self.bindings):
                for member in self.client.smembers(key):
                    found.add(member.decode(errors="replace").split(SEPARATOR)[-1])
        except redis.ResponseError as error:
            self.refused.add(str(error)[:200])
        return {name for name in found if name and not is_ours(name) and len(name) <= NAME}

    def _search(self) -> None:
        """Go on through the keys, from where the look before stopped."""
        beginning = f"{self.prefix}_kombu.binding."
        for _ in range(SCANS):
            self.cursor, keys = self.client.scan(self.cursor, match=f"{glob(beginning)}*", count=SCANNED)
            for key in keys:
                exchange = key.decode(errors="replace")[len(beginning) :]
                if "pidbox" not in exchange and exchange != "celeryev" and len(self.bindings) < BINDINGS:
                    self.bindings.add(key)
            if not self.cursor:
                return

    def read(self, queues: Iterable[str]) -> tuple[dict[str, Held], dict[str, int], bool]:
        """The messages of these queues by task, the depth of each, and whether all were read to the end."""
        messages: dict[str, Held] = {}
        depths: dict[str, int] = {}
        complete = True
        for queue in queues:
            keys = self._keys(queue)
            with self.client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.llen(key)
                    pipe.lrange(key, -PEEKED, -1)
                answers = pipe.execute(raise_on_error=False)
            lengths, found = answers[::2], answers[1::2]
            if any(isinstance(each, Exception) for each in answers):
                complete = False
                continue
            depths[queue] = sum(lengths)
            complete &= all(length <= PEEKED for length in lengths)
            for raw in (each for some in found for each in some):
                message = read_message(raw)
                complete &= message is not None  # whose it is, nobody knows
                if message:
                    messages[message[0]] = message[1]
                    message[1].queue = queue
        return messages, depths, complete

    def unacknowledged(self) -> dict[str, Held]:
        """Messages that were delivered and not acknowledged, by task."""
        found: dict[str, Held] = {}
        try:
            scores = dict(self.client.zrange(f"{self.prefix}unacked_index", 0, UNACKED, withscores=True))
            cursor, read = 0, 0
            while read < UNACKED:
                cursor, rows = self.client.hscan(f"{self.prefix}unacked", cursor, count=500)
                read += len(rows)
                for tag, raw in rows.items():
                    message = read_message(raw, delivered=True)
                    if message:
                        found[message[0]] = message[1]
                        if tag in scores:
                            message[1].again = scores[tag] + self.visibility
                if not cursor:
                    break
        except redis.ResponseError as error:
            self.refused.add(str(error)[:200])
        return found

    def purge(self, queue: str) -> int:
        """Delete everything that waits in a queue; returns how many messages that were."""
        keys = self._keys(queue)
        with self.client.pipeline(transaction=True) as pipe:
            for key in keys:
                pipe.llen(key)
            for key in keys:
                pipe.delete(key)
            return sum(pipe.execute()[: len(keys)])

    def close(self) -> None:
        self.client.close()


class AmqpQueues:
    """Counts of RabbitMQ's queues. No message is ever fetched."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.connection = connection(url, options)
        self.named = list(options.get("queues", []))
        self.refused: set[str] = set()
        self.consumers: dict[str, int] = {}

    def names(self) -> set[str]:
        return {name for name in self.named if not is_ours(name)}

    def read(self, queues: Iterable[str]) -> tuple[dict[str, Held], dict[str, int], bool]:
        """No messages, the depth of each queue, and whether all are empty, so that nothing can wait in them."""
        depths: dict[str, int] = {}
        self.connection.ensure_connection(max_retries=1, interval_start=0)
        for queue in queues:
            try:
                with self.connection.channel() as channel:
                    found = channel.queue_declare(queue=queue, passive=True)
                depths[queue], self.consumers[queue] = found.message_count, found.consumer_count
            except self.connection.channel_errors:
                continue
        return {}, depths, not any(depths.values())

    def unacknowledged(self) -> dict[str, Held]:
        return {}

    def purge(self, queue: str) -> int:
        with self.connection.channel() as channel:
            return channel.queue_purge(queue) or 0

    def close(self) -> None:
        self.connection.release()


def queues(url: str, options: Mapping[str, Any]) -> RedisQueues | AmqpQueues:
    return RedisQueues(url, options) if url.startswith("redis") else AmqpQueues(url, options)


def read_message(raw: bytes, delivered: bool = False) -> tuple[str, Held] | None:
    """The id and the rest of a message of Celery's protocol 2, or None. Only JSON is read."""
    if len(raw) > 1024 * 1024:
        return None
    try:
        found = json.loads(raw)
        if delivered:
            found = found[0]
        headers = found["headers"]
        task = headers["id"]
        if not (isinstance(task, str) and 0 < len(task) <= ID and isinstance(headers["task"], str)):
            return None
        held = Held(name=headers["task"][:NAME], eta=epoch(headers.get("eta")), expires=epoch(headers.get("expires")))
        retries = headers.get("retries")
        held.retries = retries if isinstance(retries, int) and 0 <= retries < 10**6 else 0
        held.root, held.parent = (
            str(value)[:ID] if isinstance(value := headers.get(name), str) else "" for name in ("root_id", "parent_id")
        )
        if found.get("content-type") == "application/json" and len(found.get("body", "")) <= 2 * TEXT:
            properties = found.get("properties") or {}
            body = b64decode(found["body"]) if properties.get("body_encoding") == "base64" else found["body"]
            args, kwargs, *_ = json.loads(body)
            if is_shallow(args) and is_shallow(kwargs) and isinstance(args, list) and isinstance(kwargs, dict):
                held.args, held.kwargs = args, kwargs
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return task, held

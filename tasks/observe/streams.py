"""Threads that read what a watched application says: its events, and the results that it stores.

Each puts what it read into the inbox of the process, and says when something may have been missed. They know no rows.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Full, Queue
from typing import Any

import redis
from kombu import Consumer, Exchange
from kombu import Queue as AmqpQueue

from tasks.observe import broker, events
from tasks.observe.events import ID, NAME, TEXT, is_shallow
from tasks.observe.fold import epoch

log = logging.getLogger(__name__)

REST_S = (0.2, 0.5, 1.0, 2.0)
QUIET_S = 20.0  # without a word the connection is tried
STORED_S = 600  # that RabbitMQ keeps events for an observer that is away
HEARTBEAT_S = 3  # RabbitMQ gives what a frozen observer has not acknowledged to the next one after twice that
UNREAD = 2_000  # messages that are read and not in the rows yet
STORED_BYTES = 64 * 1024 * 1024
META = 1024 * 1024

Put = Callable[[str, Any, float], None]


class Stream(threading.Thread):
    """``put(what, value, arrived)``: "events", "again" (events that an observer may have read before), "read" (up to
    which message), "heard" (a result), "gap" (since when, why) or "state" ("" or why nothing is heard).

    ``hears``: whether anything that is said now is heard. ``last``: when the broker was last heard of, by time.time().
    """

    def __init__(self, name: str, put: Put) -> None:
        super().__init__(name=f"signalbox-observe-{name}", daemon=True)
        self.put = put
        self.stopping = threading.Event()
        self.dropped: Counter[str] = Counter()
        self.hears, self.last = False, time.time()

    def run(self) -> None:
        tries = 0
        while not self.stopping.is_set():
            began = time.monotonic()
            try:
                self.read()
            except Exception as error:
                if time.monotonic() - began > 30:
                    tries = 0
                self.hears = False
                self.put("state", describe(error), time.time())
                log.info("The stream %s ended: %s", self.name, describe(error))
            self.stopping.wait(REST_S[min(tries, len(REST_S) - 1)])
            tries += 1

    def read(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self.stopping.set()


class RedisPattern(Stream):
    """Reads the messages of a pattern of channels. If a subscription is confirmed again, some were lost."""

    def __init__(self, name: str, put: Put, url: str, patterns: list[str]) -> None:
        super().__init__(name, put)
        self.url, self.patterns = url, patterns
        self.confirmed = 0

    def read(self) -> None:
        client = broker.redis_client(self.url, timeout=None)
        pubsub = client.pubsub()
        try:
            pubsub.psubscribe(*self.patterns)
            asked, quiet_since = False, time.monotonic()
            while not self.stopping.is_set():
                found = pubsub.parse_response(block=False, timeout=1.0)
                if found is None:
                    if time.monotonic() - quiet_since > QUIET_S:
                        if asked:
                            raise redis.TimeoutError("It does not answer.")
                        pubsub.ping()
                        asked, quiet_since = True, time.monotonic()
                    continue
                if found[0] == b"psubscribe":
                    self._confirm()
                self.last, asked, quiet_since = time.time(), False, time.monotonic()
                if found[0] == b"pmessage":
                    self.message(found[2], found[3])
        finally:
            pubsub.close()
            client.close()

    def _confirm(self) -> None:
        self.confirmed += 1
        if self.confirmed % len(self.patterns):
            return
        self.hears = True
        self.put("state", "", time.time())
        if self.confirmed > len(self.patterns):
            self.put("gap", (self.last, "the broker cut the connection"), time.time())

    def message(self, channel: bytes, data: bytes) -> None:
        raise NotImplementedError


class RedisEvents(RedisPattern):
    """Events of workers and senders."""

    def __init__(self, app: str, put: Put, url: str, options: Mapping[str, Any]) -> None:
        name = f"/{broker.database_of(url)}.{options.get('event_exchange', 'celeryev')}"
        super().__init__(f"{app}-events", put, url, [f"{broker.glob(options.get('global_keyprefix', '') + name)}*"])

    def message(self, channel: bytes, data: bytes) -> None:
        if found := events.read_message(data, self.dropped):
            self.put("events", found, time.time())


class RedisResults(RedisPattern):
    """States that a Redis result backend stores: it publishes each of them."""

    def __init__(self, app: str, put: Put, url: str, prefix: str) -> None:
        super().__init__(f"{app}-results", lambda what, value, at: what != "heard" or put(what, value, at), url,
                         [f"{broker.glob(prefix)}celery-task-meta-*"])  # fmt: skip

    def message(self, channel: bytes, data: bytes) -> None:
        if meta := read_meta(data, self.dropped):
            self.put("heard", meta, time.time())


class AmqpEvents(Stream):
    """Events from RabbitMQ, which keeps them for ten minutes while no observer is there.

    Only the observer that ``leads`` reads them. What it has read is acknowledged when its rows are committed
    (``commit``), so the next one gets the rest.
    """

    def __init__(
        self, app: str, put: Put, url: str, options: Mapping[str, Any], own: str, leads: Callable[[], bool]
    ) -> None:
        super().__init__(f"{app}-events", put)
        self.url, self.options, self.leads = url, options, leads
        self.last = 0.0  # nobody has ever read them
        self.times = 0  # connections
        self.committed = (0, 0)  # the connection, and its last message of which everything is in the rows
        exchange = Exchange(options.get("event_exchange", "celeryev"), type="topic", durable=True, no_declare=False)
        self.queue = AmqpQueue(
            f"signalbox-observe.{own}.{app}", exchange, "#", durable=True, auto_delete=False,
            queue_arguments={
                "x-expires": STORED_S * 1000, "x-max-length-bytes": STORED_BYTES,
                "x-overflow": "drop-head", "x-single-active-consumer": True,
            },
        )  # fmt: skip

    def commit(self, read: tuple[int, int]) -> None:
        """Everything up to this message is in the rows. For any thread."""
        self.committed = read

    def read(self) -> None:
        if not self.leads():
            return
        self.times += 1
        with broker.connection(self.url, self.options, heartbeat=HEARTBEAT_S) as link:
            link.ensure_connection(max_retries=1, interval_start=0)
            is_new = not self._is_there(link)
            with link.channel() as channel:
                channel.basic_qos(0, UNREAD, False)
                with Consumer(channel, [self.queue], on_message=self._take, accept=["json"]):
                    self.put("state", "", time.time())
                    if is_new and self.last:
                        self.put("gap", (self.last, "the queue of events was not there any more"), time.time())
                    self.hears, self.taken, acknowledged = True, 0, 0
                    while not self.stopping.is_set() and self.leads():
                        before = self.taken
                        with suppress(TimeoutError):
                            link.drain_events(timeout=0.05 if acknowledged < self.taken else 1.0)
                        if self.taken > before:
                            self.put("read", (self.times, self.taken), time.time())
                        times, upto = self.committed
                        if times == self.times and upto > acknowledged:
                            channel.basic_ack(upto, multiple=True)
                            acknowledged = upto
                        link.heartbeat_check()
                        self.last = time.time()
            self.hears = False

    def _is_there(self, link: Any) -> bool:
        """Whether the queue has been kept, with what was said meanwhile."""
        try:
            with link.channel() as channel:
                channel.queue_declare(queue=self.queue.name, passive=True)
        except link.channel_errors:
            return False
        return True

    def _take(self, message: Any) -> None:
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
        if found := events.read_body(body, message.content_type, message.content_encoding, self.dropped):
            again = message.delivery_info.get("redelivered")
            self.put("again" if again else "events", found, time.time())
        self.taken = message.delivery_tag


def read_meta(raw: bytes, dropped: Counter[str]) -> dict[str, Any] | None:
    """What a result backend stored of one task, or None. Only JSON is read, and only what is known of it is kept."""
    try:
        found = events.parse(raw, META)
    except (ValueError, RecursionError):
        dropped["no JSON"] += 1
        return None
    if not isinstance(found, dict):
        dropped["no result"] += 1
        return None
    task, status = found.get("task_id"), found.get("status")
    if not (isinstance(task, str) and 0 < len(task) <= ID and isinstance(status, str) and len(status) <= 50):
        dropped["no result"] += 1
        return None
    meta: dict[str, Any] = {"task": task, "status": status, "at": epoch(found.get("date_done"))}
    if is_shallow(found.get("result")):
        meta["result"] = found.get("result")
    if isinstance(trace := found.get("traceback"), str):
        meta["traceback"] = trace[-TEXT:]
    for name in ("name", "worker", "queue"):
        if isinstance(value := found.get(name), str):
            meta[name] = value[:NAME]
    if isinstance(found.get("args"), list) and isinstance(found.get("kwargs"), dict) and len(raw) <= 2 * TEXT:
        meta["args"], meta["kwargs"] = found["args"], found["kwargs"]
    return meta


def describe(error: BaseException) -> str:
    """An error of a driver in one line, without an address that could hold a password."""
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return text[:200] if "://" not in text else type(error).__name__


class Inbox:
    """What the threads of all applications have brought. Bounded: what does not fit is a gap."""

    def __init__(self, most: int = 20_000) -> None:
        self.queue: Queue[tuple[str, str, Any, float]] = Queue(most)
        self.overflowed: set[str] = set()

    def putter(self, app: str) -> Put:
        def put(what: str, value: Any, arrived: float) -> None:
            try:
                self.queue.put((app, what, value, arrived), what != "events", 5.0)
            except Full:
                self.overflowed.add(app)

        return put

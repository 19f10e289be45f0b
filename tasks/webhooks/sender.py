"""Sending deliveries: one asyncio thread in one process of each worker, outside of every job's slot.

Many deliveries are under way at once, but few to one address: a server that hangs holds up nobody else's. A try is
taken by a guarded UPDATE before it is made, so it is made once; after a crash it is made again under the same id.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from standardwebhooks import Webhook

from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import Fetcher
from tasks.fetch.retry_after import retry_after
from tasks.webhooks import deliveries, outbox
from tasks.webhooks.deliveries import Answer
from tasks.webhooks.models import Delivery

log = logging.getLogger(__name__)

TOTAL_S, CONNECT_S = 15.0, 5.0  # for one try
MOST, LANE, TROUBLED = 256, 16, 2  # tries at once: in all, to one address, to one whose last try failed
CALLBACKS, OWNER = 128, 32  # of those, callbacks of jobs, and of one person's jobs
KNOWN = 10_000  # lanes whose last try is remembered
GATHER_S = 0.01  # in which what ends together is written together
PERIOD_S = 0.25  # between looks at the table; what this very process commits is seen at once
REST_S, RESTS_AFTER_S = 30.0, 10.0  # the same when nothing was sent for so long: then others say that something is due
STOPS_S = 5.0  # between looks whether the worker stops, of a sender that rests: whoever ends the process wakes it
PATIENCE_S = 3.0  # at the end, for what is under way


def sign(delivery: Delivery, now: datetime) -> dict[str, str]:
    """The headers of one try, by the rules of Standard Webhooks."""
    uid = str(delivery.uid)
    signatures = [Webhook(secret).sign(uid, now, delivery.body) for secret in delivery.endpoint.secrets(now)]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Signalbox-Webhook/1",
        "Webhook-Id": uid,
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": " ".join(signatures),
    }


async def attempt(fetcher: Fetcher, delivery: Delivery) -> Answer:
    """Make one try."""
    at, started = datetime.now(UTC), time.monotonic()
    try:
        page = await fetcher.post(delivery.target, delivery.body.encode(), sign(delivery, at))
    except FetchError as error:
        return Answer(at, time.monotonic() - started, error=str(error))
    except Exception as error:  # such as a secret that was sealed with a key that is gone
        log.exception("The delivery %s could not be tried.", delivery.uid)
        return Answer(at, time.monotonic() - started, error=f"{type(error).__name__}: {error}")
    reply = page.body[:2_000].decode(errors="replace")
    return Answer(
        at, page.seconds, page.status, "", reply, retry_after(page.headers, deliveries.LONGEST.total_seconds())
    )


class Sender(threading.Thread):
    """Sends until ``stopping`` says so. Rows are read and written in a thread of their own, beside the loop."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        super().__init__(name="signalbox-webhooks", daemon=True)
        self.pid = os.getpid()
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ends = False  # this process ends, whether its worker stops or not
        self._rows = ThreadPoolExecutor(1, thread_name_prefix="signalbox-deliveries")
        self._busy: Counter[str] = Counter()
        self._troubled: set[str] = set()
        self._ended: list[tuple[Delivery, Answer]] = []
        self._sent = time.monotonic()

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:
            log.exception("The sender of webhooks ended; another one will be started.")
        finally:
            self._rows.shutdown(wait=False)

    def look(self) -> None:
        """Look at the table now. From any thread."""
        with contextlib.suppress(RuntimeError):  # it has just ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._bell.set)

    def room(self, busy: Counter[str], lane: str) -> int:
        """How many more tries of a lane may begin beside these."""
        free = min((TROUBLED if lane in self._troubled else LANE) - busy[lane], MOST - busy.total())
        if free <= 0 or (owner := outbox.owner_of(lane)) is None:
            return free
        callbacks = Counter[str]()
        for each, tries in busy.items():
            if (whose := outbox.owner_of(each)) is not None:
                callbacks[whose] += tries
        return min(free, CALLBACKS - callbacks.total(), OWNER - callbacks[owner])

    def period(self) -> float:
        """Seconds until the table is looked at again, unless ``look`` is called before."""
        return REST_S if time.monotonic() - self._sent > RESTS_AFTER_S else PERIOD_S

    async def _main(self) -> None:
        self._bell, under_way = asyncio.Event(), set()
        self._loop = asyncio.get_running_loop()
        outbox.listen(self.look)
        try:
            async with Fetcher(total=TOTAL_S, connect=CONNECT_S, at_once=MOST) as fetcher:
                while not (self.ends or self._stopping()):
                    for delivery in await self._turn(self.room):
                        self._sent = time.monotonic()
                        self._busy[delivery.lane] += 1
                        task = asyncio.create_task(self._deliver(fetcher, delivery))
                        under_way.add(task)
                        task.add_done_callback(under_way.discard)
                    await self._rest()
                    await asyncio.sleep(GATHER_S)
                if under_way:
                    await asyncio.wait(under_way, timeout=PATIENCE_S)
                await self._turn(lambda busy, lane: 0)
        finally:
            outbox.listen(None)

    async def _rest(self) -> None:
        until = time.monotonic() + self.period()
        while (left := until - time.monotonic()) > 0 and not (self.ends or self._stopping()):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), min(left, STOPS_S))
                return

    async def _deliver(self, fetcher: Fetcher, delivery: Delivery) -> None:
        answer = await attempt(fetcher, delivery)
        if len(self._troubled) > KNOWN:
            self._troubled.clear()
        (self._troubled.discard if answer.arrived else self._troubled.add)(delivery.lane)
        self._ended.append((delivery, answer))
        self._busy[delivery.lane] -= 1
        if not self._busy[delivery.lane]:
            del self._busy[delivery.lane]
        self._bell.set()  # its place in the lane is free

    async def _turn(self, room: deliveries.Room) -> list[Delivery]:
        """Write what ended since the last turn, and take what is due."""
        self._bell.clear()
        ended, self._ended = self._ended, []
        try:
            return await asyncio.get_running_loop().run_in_executor(self._rows, _turn, ended, dict(self._busy), room)
        except (OperationalError, InterfaceError) as error:
            log.warning("The deliveries could not be reached: %s", error)
            self._ended[:0] = ended
            await asyncio.sleep(PERIOD_S)
            return []


def _turn(ended: list[tuple[Delivery, Answer]], busy: dict[str, int], room: deliveries.Room) -> list[Delivery]:
    close_old_connections()
    try:
        if ended:
            deliveries.record_all(ended)
        return deliveries.take(busy, room)
    except (OperationalError, InterfaceError):
        connection.close()
        raise


_sender: Sender | None = None


def keep_sending(stopping: Callable[[], bool]) -> None:
    """Start a sender unless this process has a living one. The pulse calls this again and again."""
    global _sender
    if _sender is None or _sender.pid != os.getpid() or not (_sender.ends or _sender.is_alive()):
        _sender = Sender(stopping)
        _sender.start()


def look() -> None:
    """A delivery is due: this process's sender, if it has one, looks at the table now."""
    if _sender is not None and _sender.pid == os.getpid():
        _sender.look()


def finish(seconds: float) -> None:
    """The process ends: take nothing more, and wait at most so long for the tries under way."""
    if _sender is not None and _sender.pid == os.getpid():
        _sender.ends = True
        _sender.look()
        _sender.join(seconds)

"""The hub keeps every socket of the process up to date. There is one for each process and event loop.

A frame is encoded once for all sockets. The hub knows mailboxes, not WebSockets. ``live.state`` holds the data.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from django.conf import settings

from live import frames
from live.auth import Visitor
from live.board import Board
from live.db_thread import DatabaseThread
from live.frame_cache import FrameCache
from live.job_feeds import JobFeeds
from live.listener import Listener
from live.mailbox import Mailbox
from live.socket_limits import TOO_MANY, SocketCounter
from live.state import Counters, Picture
from live.topics import NOWHERE

LINGER_S = 60.0
SLICE_S = 0.01  # so long may sending keep the loop from everything else

log = logging.getLogger(__name__)


class Full(Exception):
    """Too many sockets; the text says whose."""


class Hub:
    """Made by ``current()``. All its methods belong to its loop."""

    def __init__(self) -> None:
        self.mailboxes: dict[Mailbox, None] = {}
        self._socket_counter = SocketCounter(self.mailboxes)
        self.clerk = DatabaseThread(
            "signalbox-clerk"
        )  # for what clients ask: however much that is, it delays no reconcile
        self._watches = JobFeeds(self.clerk, self._post_job, self.serve)
        self._changed = asyncio.Event()
        self.picture = Picture(self.mailboxes, self._watches, self._changed.set, self._beat_early)
        self._listener = Listener(self.picture.hints)
        self._press = FrameCache(lambda: self.picture.agreed)
        self._beaten = 0.0
        self._tasks: list[asyncio.Task] = []
        self._farewell: asyncio.TimerHandle | None = None

    @property
    def counters(self) -> Counters:
        return self.picture.counters

    @property
    def agreed(self) -> frames.Agreed | None:
        """When the picture last agreed with the database; None before the first time."""
        return self.picture.agreed

    # --- sockets come and go ------------------------------------------------------------------------------------

    def join(self, send: Callable[[dict[str, Any]], Awaitable[None]], visitor: Visitor) -> Mailbox:
        """Add a socket. It gets beats, and frames for what it asks to watch. Raises Full."""
        if len(self.mailboxes) >= settings.SIGNALBOX_SOCKETS:
            raise Full("too many sockets in this process")
        own = sum(mailbox.visitor.user == visitor.user for mailbox in self.mailboxes)
        if own >= settings.SIGNALBOX_SOCKETS_PER_USER:
            raise Full(TOO_MANY)
        mailbox = Mailbox(send, visitor)
        mailbox.written = self.serve
        self.mailboxes[mailbox] = None
        self._socket_counter.came(mailbox)
        self._wake()
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        for job in list(mailbox.follows):
            self._watches.unfollow(mailbox, job)
        self.watch_news(mailbox, frozenset())
        self.mailboxes.pop(mailbox, None)
        mailbox.left()
        self._socket_counter.left(mailbox)
        self.linger()

    def linger(self) -> None:
        """Go on for a minute without sockets, so that a page that is loaded again finds the data ready."""
        if not self.mailboxes and self._farewell is None:
            self._farewell = asyncio.get_running_loop().call_later(LINGER_S, self.stop)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._listener.stop()
        self._watches.stop()
        self._socket_counter.stop()
        self.picture.stop()
        self.clerk.stop()
        _hubs.pop(asyncio.get_running_loop(), None)

    def _wake(self) -> None:
        if self._farewell is not None:
            self._farewell.cancel()
            self._farewell = None
        if not self._tasks:
            self._listener.start()
            self._tasks = [
                asyncio.create_task(work())
                for work in (self.picture.reconcile, self.picture.recount, self._pump, self._beat)
            ]

    # --- what a socket asks for ---------------------------------------------------------------------------------

    def watch_board(self, mailbox: Mailbox, apps: bool = False) -> None:
        """Send a mailbox a snapshot and all changes. A second call starts again with a snapshot.

        ``apps``: with the tasks of watched applications.
        """
        mailbox.board, mailbox.apps, mailbox.place = True, apps, None
        if self.agreed:
            self._changed.set()

    def unwatch_board(self, mailbox: Mailbox) -> None:
        mailbox.board = False

    def watch_job(self, mailbox: Mailbox, job: str, after: int) -> None:
        self._watches.follow(mailbox, job, after)

    def unwatch_job(self, mailbox: Mailbox, job: str) -> None:
        self._watches.unfollow(mailbox, job)

    def watch_news(self, mailbox: Mailbox, topics: frozenset[str]) -> None:
        """Replace the topics of a mailbox. Each topic counts as changed at first."""
        self.picture.news.watched.subtract(mailbox.topics)
        self.picture.news.watched.update(topics)
        self.picture.news.watched = +self.picture.news.watched
        mailbox.topics, mailbox.news_place = topics, NOWHERE
        if self.agreed and topics:
            self._changed.set()

    def ack(self, mailbox: Mailbox, n: int) -> None:
        mailbox.ack(n, time.monotonic())
        self.serve(mailbox)

    # --- what it gets -------------------------------------------------------------------------------------------

    def serve(self, mailbox: Mailbox) -> None:
        """Send a mailbox the frames that it has missed, as many as it can take."""
        self._tell_news(mailbox)
        while mailbox.ready:
            if not (
                self._feed_board(mailbox)
                or (mailbox.follows and self._watches.feed(mailbox))
                or (mailbox.gauges and self._feed_gauge(mailbox))
            ):
                mailbox.agreed = self.agreed
                return
        if self._misses(mailbox):
            mailbox.wait(time.monotonic())

    def _tell_news(self, mailbox: Mailbox) -> None:
        """Send news of topics. They need no acknowledgement: a mailbox that is full gets them merged later."""
        if not mailbox.topics or mailbox.task is not None or mailbox.closing or self.agreed is None:
            return
        if self.picture.news.is_behind(mailbox.news_place, mailbox.topics):
            members = self.picture.news.since(mailbox.news_place, mailbox.topics)
            mailbox.news_place = self.picture.news.now
            self.counters.frames += 1
            mailbox.tell(frames.frame("news", None, *frames.age(time.monotonic(), self.agreed), *members))

    def _misses(self, mailbox: Mailbox) -> bool:
        return (
            self._behind(mailbox)
            or (mailbox.follows and self._watches.waits(mailbox))
            or (mailbox.gauges and self.picture.gauges.waits(mailbox))
        )

    def _behind(self, mailbox: Mailbox) -> bool:
        return mailbox.board and self.agreed is not None and mailbox.place != self._board(mailbox).now

    def _board(self, mailbox: Mailbox) -> Board:
        return self.picture.everything if mailbox.apps else self.picture.board

    def _feed_board(self, mailbox: Mailbox) -> bool:
        if not self._behind(mailbox):
            return False
        frame = self._press.board(self._board(mailbox), mailbox.place, after=mailbox.n)
        mailbox.place = frame.place
        self._post(mailbox, frame.n, frame.text)
        return True

    def _feed_gauge(self, mailbox: Mailbox) -> bool:
        if (text := self.picture.gauges.feed(mailbox)) is None:
            return False
        self._post(mailbox, *self._press.gauge(text))
        return True

    def _post(self, mailbox: Mailbox, n: int, text: str) -> None:
        self.counters.frames += 1
        mailbox.post(n, text)

    def _post_job(self, mailbox: Mailbox, text: str) -> None:
        self._post(mailbox, *self._press.job(text))

    async def _pump(self) -> None:
        """Send the first change at once, and further ones together one tick later."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            await self._everyone(self.serve)
            await asyncio.sleep(max(0.0, began + settings.SIGNALBOX_TICK_MS / 1000 - time.monotonic()))

    # --- signs of life ------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            rest = self._beaten + settings.SIGNALBOX_BEAT_S - time.monotonic()
            if rest > 0:
                await asyncio.sleep(rest)
            else:
                await self._beat_once()

    async def _beat_early(self) -> None:
        """Send beats right after a reconcile, when the age is lowest, if they are due before the next one."""
        if time.monotonic() - self._beaten > settings.SIGNALBOX_BEAT_S - settings.SIGNALBOX_RECONCILE_S:
            await self._beat_once()

    async def _beat_once(self) -> None:
        self._beaten = now = time.monotonic()
        if self.agreed is not None:
            text = frames.beat(now, self.agreed, settings.SIGNALBOX_BEAT_S)
            await self._everyone(lambda mailbox: self._beat_to(mailbox, text, now))

    def _beat_to(self, mailbox: Mailbox, text: str, now: float) -> None:
        """Send a beat whose age fits the frames that this mailbox has got: missed frames first, or an older age."""
        if mailbox.too_slow(now) and not mailbox.closing:
            self.counters.closed_slow += 1
            mailbox.close(1013, "too slow: nothing was acknowledged for 30 s")
        self.serve(mailbox)
        if not mailbox.n and (self._misses(mailbox) or now - mailbox.joined < settings.SIGNALBOX_BEAT_S):
            return  # a page that came back still shows what it had: nobody knows how old that is
        if self._misses(mailbox) and mailbox.agreed:
            text = frames.beat(now, mailbox.agreed, settings.SIGNALBOX_BEAT_S)
        else:
            mailbox.agreed = self.agreed
        mailbox.tell(text)

    async def _everyone(self, action: Callable[[Mailbox], None]) -> None:
        """Do something for every mailbox, and let others have the loop in between."""
        end = time.monotonic() + SLICE_S
        for mailbox in list(self.mailboxes):
            try:
                action(mailbox)
            except Exception:  # an error of one socket must not reach the others
                log.exception("a socket could not be served")
            if time.monotonic() > end:
                await asyncio.sleep(0)
                end = time.monotonic() + SLICE_S


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def current() -> Hub:
    """The hub of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        for ended in [each for each in _hubs if each.is_closed()]:
            del _hubs[ended]
        _hubs[loop] = Hub()
    return _hubs[loop]


def all_hubs() -> Iterable[Hub]:
    """The hubs of this process, for metrics: one, nearly always."""
    return list(_hubs.values())

"""The data that all sockets of a process share, and what keeps it up to date: board, news and gauges.

Hints change it at once. A reconcile reads everything from the database every few seconds; counts are read soon after a
move. This module decides when to read. It knows only what mailboxes ask for, and writes no frames.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from live.auth import withdrawn_visitors
from live.board import Board
from live.db_thread import DatabaseThread
from live.frames import Agreed
from live.gauges import Gauges
from live.job_feeds import JobFeeds
from live.mailbox import Mailbox
from live.reads import Reading, read_all, recount
from live.topics import TopicMarks
from tasks.engine.models import instant
from tasks.queries import gauges

RECOUNT_S = 0.25  # between two counts, however much moves
OVERTAKEN_S = 1.0  # so long may moves during the reading make counts useless
RECOUNT_SHARE = 20  # and this many times what the last one took: a long queue is counted more seldom

log = logging.getLogger(__name__)


@dataclass
class Counters:
    """For metrics: what a hub has done since it started."""

    frames: int = 0
    hints: int = 0
    reconciles: int = 0
    repairs: int = 0
    failures: int = 0
    closed_slow: int = 0


class Picture:
    """``changed`` is called when there is something to send, ``agreed_now`` is awaited after each whole reading."""

    def __init__(
        self,
        mailboxes: Collection[Mailbox],
        watches: JobFeeds,
        changed: Callable[[], None],
        agreed_now: Callable[[], Awaitable[None]],
    ) -> None:
        self.board, self.everything = Board(), Board()  # our own jobs; those and the tasks of watched applications
        self.news, self.gauges = TopicMarks(), Gauges()
        self.counters = Counters()
        self.agreed: Agreed | None = None  # None: the first reading is not over
        self._mailboxes, self._watches = mailboxes, watches
        self._changed, self._agreed_now = changed, agreed_now
        self._reader = DatabaseThread("signalbox-hub")
        self._moved = asyncio.Event()
        self._moves = 0  # heard of since the start
        self._counted = 0.0
        self._well = True

    def hints(self, message: dict[str, Any]) -> None:
        """Take what the channel layer brought: ``{"jobs": [summary…]}``."""
        jobs = message["jobs"]
        self.counters.hints += len(jobs)
        self._watches.hint(jobs)
        own = [job for job in jobs if not job.get("app")]
        changed = self.news.moved(jobs) | self.board.apply(own) | self.everything.apply(jobs)
        if moves := self.everything.moves:
            changed |= self.gauges.moved(moves)
            self._moves += len(moves)
            self._moved.set()
        self.board.moves, self.everything.moves = [], []
        if changed:
            self._changed()

    async def reconcile(self) -> None:
        """Read everything from the database, again and again, and correct the shared data."""
        while True:
            now, began = datetime.now(UTC), time.monotonic()
            visitors = {mailbox.visitor for mailbox in self._mailboxes}
            self.board.begin()
            self.everything.begin()
            moves = self._moves
            try:
                topics = {"alerts", *self.news.watched}
                seen = await self._reader.run(read_all, self._watches.jobs, topics, visitors, withdrawn_visitors)
                self._settle(seen, Agreed(instant(now), began), self._fresh(moves, began))
            except Exception as error:
                self.counters.failures += 1
                if self._well:
                    log.warning("the database could not be read, pages will say that they are stale: %r", error)
                self._well = False
            else:
                self._well = True
                self.counters.reconciles += 1
                await self._agreed_now()
                await self._read_gauges(seen.picture)
            await asyncio.sleep(max(0.01, began + settings.SIGNALBOX_RECONCILE_S - time.monotonic()))

    def _fresh(self, moves: int, began: float) -> bool:
        """Whether to take counts read since then: one that was overtaken by a move would take that back on screen."""
        fresh = self._moves == moves or began - self._counted > OVERTAKEN_S
        self._counted = began if fresh else self._counted
        return fresh

    def _settle(self, seen: Reading, agreed: Agreed, counts: bool) -> None:
        for mailbox in [mailbox for mailbox in self._mailboxes if mailbox.visitor in seen.withdrawn]:
            mailbox.close(*seen.withdrawn[mailbox.visitor])
        self._watches.hint(seen.watched)
        self._watches.missing(seen.missing)
        first = self.agreed is None
        changed = self.board.diff(seen.picture, counts) | self.everything.diff(seen.everything, counts)
        self.agreed = agreed
        if first:
            self.board.corrected.clear()
            self.everything.corrected.clear()
        self.counters.repairs = self.board.repairs
        news = self.news.agree(seen.marks, seen.alerts) | self.news.moved(self.everything.stirred)
        if first or changed or news:
            self._changed()

    async def recount(self) -> None:
        """Read the counts after a hint of a move, if any page shows them."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            began, moves = time.monotonic(), self._moves
            if self.agreed and any(mailbox.board for mailbox in self._mailboxes):
                try:
                    own, every, read = await self._reader.run(recount, self._asked() & gauges.COUNTS)
                except Exception as error:
                    log.info("the counts could not be read: %r", error)  # the next whole reading warns
                    self._moved.set()
                else:
                    if not self._fresh(moves, began):
                        self._moved.set()
                    elif self.board.count(own) | self.everything.count(every) | self.gauges.take(read, self._asked()):
                        self._changed()
            await asyncio.sleep(max(RECOUNT_S, RECOUNT_SHARE * (time.monotonic() - began)))

    async def _read_gauges(self, board: dict[str, Any]) -> None:
        """After the board, which does not wait for them; one that cannot be read now stays as it is."""
        asked, moves = self._asked(), self._moves
        try:
            read = await self._reader.run(gauges.read, asked, board) if asked else {}
            if self._moves != moves:  # the next counts bring those that it has overtaken
                read = {name: value for name, value in read.items() if name not in gauges.COUNTS}
            if asked and self.gauges.take(read, asked):
                self._changed()
        except Exception as error:
            log.warning("gauges could not be read: %r", error)

    def _asked(self) -> set[str]:
        return {name for mailbox in self._mailboxes for name in mailbox.gauges}

    def stop(self) -> None:
        self._reader.stop()

"""The watched jobs. The process reads each for all its watchers together, at most four times a second.

This module decides when to read and who may see the job. ``live.job_feed`` writes the frames, the hub sends them.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError

from live import frames
from live.db_thread import DatabaseThread
from live.job_feed import LINES, NEVER, Follow, JobFeed
from live.mailbox import Mailbox
from tasks.engine.models import State
from tasks.queries import details
from tasks.web import json_tree

PERIOD_S = 0.25
UNKNOWN = "unknown-job", "there is no such job, or you may not see it"

log = logging.getLogger(__name__)


def whole(job: str, after: int | None, lines: int) -> dict[str, Any] | None:
    """The job as its page wants it: with its result as the page shows it, by links relative to that page."""
    detail = details.detail(job, after, lines, people=True)
    if detail and detail["state"] == State.SUCCEEDED and detail["result"] is not None:
        detail["result_tree"] = json_tree.shown(detail["result"], "result/")
    return detail


class JobFeeds:
    """``post`` sends a mailbox one ``job`` frame, ``serve`` sends it whatever waits for it."""

    def __init__(
        self, reader: DatabaseThread, post: Callable[[Mailbox, str], None], serve: Callable[[Mailbox], None]
    ) -> None:
        self._reader, self._post, self._serve = reader, post, serve
        self._watches: dict[str, JobFeed] = {}
        self._watchers: dict[str, dict[Mailbox, None]] = {}
        self._dirty: set[str] = set()
        self._tasks: dict[Any, asyncio.Task] = {}

    @property
    def jobs(self) -> list[str]:
        return list(self._watches)

    def follow(self, mailbox: Mailbox, job: str, after: int) -> None:
        """Send a mailbox the whole job now, and later its changes."""
        if job not in self._watches:
            self._watches[job] = JobFeed(job)
            self._watchers[job] = {}
        self._watchers[job][mailbox] = None
        mailbox.follows[job] = Follow(NEVER, after)
        if self._watches[job].loaded:
            self._show(mailbox, self._watches[job])
        else:
            self._refresh(job)

    def unfollow(self, mailbox: Mailbox, job: str) -> None:
        mailbox.follows.pop(job, None)
        watchers = self._watchers.get(job, {})
        watchers.pop(mailbox, None)
        if not watchers:
            self._watchers.pop(job, None)
            self._watches.pop(job, None)

    def hint(self, summaries: list[dict[str, Any]]) -> None:
        """Take summaries of hints or of a reconcile: watched jobs that have changed are read again."""
        for summary in summaries:
            watch = self._watches.get(summary["id"])
            if watch and watch.behind(summary):
                self._refresh(watch.job)

    def missing(self, jobs: Iterable[str]) -> None:
        """Tell the watchers of these jobs that they do not exist any more: a reconcile did not find them."""
        for job in jobs:
            if job in self._watches:
                self._refresh(job)

    def waits(self, mailbox: Mailbox) -> bool:
        return any(self._watches[job].due(follow) for job, follow in mailbox.follows.items())

    def feed(self, mailbox: Mailbox) -> bool:
        """Send one job frame that waits for a mailbox; false if there is none, or it must be read first."""
        for job, follow in mailbox.follows.items():
            watch = self._watches[job]
            if watch.due(follow):
                if watch.has(follow.seq) or follow.seq >= watch.last:
                    text, mailbox.follows[job] = watch.news(follow)
                    self._post(mailbox, text)
                    return True
                self._start((mailbox, job), self._fetch_older(mailbox, watch, follow))
        return False

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    def _show(self, mailbox: Mailbox, watch: JobFeed) -> None:
        if mailbox.visitor.sees(watch.summary):
            self._serve(mailbox)
        else:
            self._refuse(mailbox, watch.job)

    def _refuse(self, mailbox: Mailbox, job: str) -> None:
        self.unfollow(mailbox, job)
        mailbox.tell(frames.error(*UNKNOWN, job=job))

    def _refresh(self, job: str) -> None:
        self._dirty.add(job)
        self._start(job, self._read(job))

    def _start(self, key: Any, work: Any) -> None:
        """Start a task unless one runs for this key. A finished task does not count, even before its callback ran."""
        if key in self._tasks and not self._tasks[key].done():
            work.close()
            return
        self._tasks[key] = task = asyncio.create_task(work)
        task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: Any, task: asyncio.Task) -> None:
        if self._tasks.get(key) is task:  # it may have made room for the next itself
            del self._tasks[key]

    async def _read(self, job: str) -> None:
        """Read a job, tell its watchers, and again for as long as it changes."""
        while job in self._dirty and (watch := self._watches.get(job)):
            began = time.monotonic()
            self._dirty.discard(job)
            try:
                detail = await self._reader.run(whole, job, watch.last if watch.loaded else None, LINES)
            except (
                DatabaseError,
                InterfaceError,
            ) as error:  # try again; the picture's age tells
                log.info("a watched job could not be read: %r", error)
                self._dirty.add(job)
            else:
                self._tell(watch, detail)
            await asyncio.sleep(max(0.0, began + PERIOD_S - time.monotonic()))
        self._dirty.discard(job)

    def _tell(self, watch: JobFeed, detail: dict[str, Any] | None) -> None:
        watchers = list(self._watchers.get(watch.job, ()))
        if detail is None:
            for mailbox in watchers:
                self._refuse(mailbox, watch.job)
            return
        if not watch.loaded and len(detail["log"]) == LINES:
            watch.starts_after(detail["log"][0]["seq"] - 1)
        elif watch.loaded and len(detail["log"]) == LINES:
            self._dirty.add(watch.job)  # there may be more
        watch.load(detail)
        for mailbox in watchers:
            self._show(mailbox, watch)

    async def _fetch_older(self, mailbox: Mailbox, watch: JobFeed, follow: Follow) -> None:
        """Read and send log lines that are no longer in memory, then go on as usual."""
        try:
            older = await self._reader.run(details.log_after, watch.job, follow.seq, LINES)
        except (DatabaseError, InterfaceError) as error:
            log.info("older log lines could not be read: %r", error)
            await asyncio.sleep(PERIOD_S)
        else:
            if mailbox.ready and mailbox.follows.get(watch.job) == follow:
                text, reached = watch.news(follow, older)
                # Nothing older is left, or what is left begins in memory.
                seq = reached.seq if older else max(follow.seq, watch.complete_after)
                mailbox.follows[watch.job] = Follow(reached.revision, seq)
                self._post(mailbox, text)
        self._tasks.pop((mailbox, watch.job), None)
        self._serve(mailbox)

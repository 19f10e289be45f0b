"""Sends hints to all server processes that a job changed: at most once, without error and without waiting.

It has the only ``group_send`` of the project and one daemon thread for each process, started by the first hint. It
knows no models: callers pass ``Job.summary()``. A hint can be lost; the row is certain.
"""

import asyncio
import logging
import os
import threading
import time
from itertools import islice
from typing import Any

from live import channel_layer, hints

PERIOD_S = 0.02
KEPT = 10_000
REST_S = 0.25  # after a failure: a refused connection must not turn into a busy loop

log = logging.getLogger(__name__)


class Sender:
    """The newest summary of each job that waits, and the thread that sends them. One for each process."""

    def __init__(self) -> None:
        # Reentrant: a signal handler may interrupt job_changed in the same thread and call it again.
        self._lock = threading.RLock()
        self._waiting: dict[str, dict[str, Any]] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup: asyncio.Event | None = None
        self._is_awake = False
        self._idle = threading.Event()
        self._idle.set()
        self._layer: Any = None
        self._well = True
        self.sent = self.failed = self.dropped = 0

    def put(self, summary: dict[str, Any]) -> None:
        job = summary["id"]
        with self._lock:
            known = self._waiting.get(job)
            if known is None:
                if len(self._waiting) >= KEPT:
                    del self._waiting[next(iter(self._waiting))]
                    self.dropped += 1
            elif known["version"] > summary["version"]:
                return
            self._waiting[job] = summary
            if self._is_awake:
                return
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="signalbox-push", daemon=True)
                thread.start()
                self._thread = thread
            elif self._loop is not None:
                self._loop.call_soon_threadsafe(self._wakeup.set)
            self._is_awake = True
            self._idle.clear()

    def flush(self, timeout: float) -> bool:
        return self._idle.wait(timeout)

    def counters(self) -> dict[str, int]:
        return {"sent": self.sent, "failed": self.failed, "dropped": self.dropped, "waiting": len(self._waiting)}

    def _take(self) -> list[dict[str, Any]]:
        """Take the waiting summaries, oldest first, at most one message. With none, the thread goes to sleep."""
        with self._lock:
            jobs = [self._waiting.pop(job) for job in list(islice(self._waiting, hints.AT_ONCE))]
            if not jobs:
                self._is_awake = False
                self._idle.set()
            return jobs

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            log.exception("the push thread ended; the next hint starts another")
        finally:
            with self._lock:
                self._thread = self._loop = self._wakeup = None
                self._is_awake = False
                self._idle.set()

    async def _serve(self) -> None:
        wakeup = asyncio.Event()
        with self._lock:
            self._layer, self._wakeup, self._loop = None, wakeup, asyncio.get_running_loop()
        while True:
            while jobs := self._take():
                began = time.monotonic()
                rest = PERIOD_S if await self._send(jobs) else REST_S
                await asyncio.sleep(max(0.0, began + rest - time.monotonic()))
            await wakeup.wait()
            wakeup.clear()

    async def _send(self, jobs: list[dict[str, Any]]) -> bool:
        try:
            self._layer = self._layer or channel_layer.fresh()
            async with asyncio.timeout(channel_layer.TIMEOUT_S):
                await self._layer.group_send(channel_layer.group(), hints.signed(jobs))
        except Exception as error:
            if self._well:
                log.warning("hints do not get through (%r); pages stay current by reading the database", error)
            self._well = False
            self.failed += len(jobs)
            if self._layer:
                await channel_layer.drop(self._layer)
            return False
        self._well = True
        self.sent += len(jobs)
        return True


_sender = Sender()


def _forked() -> None:
    """Start afresh in a forked child: it has neither the parent's thread nor, perhaps, an unlocked lock."""
    global _sender
    _sender = Sender()


os.register_at_fork(after_in_child=_forked)


def job_changed(summary: dict[str, Any]) -> None:
    """Hint that a job is now at this version. Call it after the commit, from any thread; it only touches memory."""
    try:
        _sender.put(summary)
    except Exception:  # a hint never fails a job
        log.exception("a hint was lost")


def flush(timeout: float = 1.0) -> bool:
    """Wait until everything has been handed to the layer (or given up); False if that took too long."""
    return _sender.flush(timeout)


def counters() -> dict[str, int]:
    """Summaries of this process: sent, failed (the layer was away), dropped (too many waited), waiting now."""
    return _sender.counters()

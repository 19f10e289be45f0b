"""The background thread of a pool child: writes reports to the database, renews leases, reads cancel requests.

In one child it also does the duties of its worker (project.worker lists them). While the worker stops, it releases jobs
that cannot finish in time. It reaches a job's code only through its report.
"""

import logging
import mmap
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from tasks.engine import lease, lifecycle, notify
from tasks.engine.models import Job
from tasks.engine.report import Cancelled, Fenced, Report

log = logging.getLogger(__name__)

TICK_S = 0.25
LONG_S = 0.05  # a job that runs on keeps its process: what else waits is for another one, which is called
CANCEL_CHECK_S = 0.5  # a running job sees a cancel within a second
STOP_S = 5.0  # from SIGTERM until what still runs is given back
LEAVES = {True: "This process ends, and another one takes its place.", False: "Restart this worker when you can."}
IDLE_STOP_S = 2.0  # from SIGTERM until a process that runs nothing ends by itself


class Running:
    """One attempt that this process runs now."""

    def __init__(self, job: Job, report: Report, grace: float | None, lease: float | None) -> None:
        self.job, self.report, self.grace = job, report, grace
        self.every = min(settings.SIGNALBOX_HEARTBEAT_S, (lease or settings.SIGNALBOX_LEASE_S) / 2)
        self.beaten = self.checked = time.monotonic()
        self.stop_by: float | None = None
        self.writing = threading.Lock()  # the pulse and the job's own last words take turns


class Pulse(threading.Thread):
    """One for each process that runs jobs. ``duties`` are (period in seconds, function) pairs that it also calls."""

    def __init__(self, duties: list[tuple[float, Callable[[], None]]], kills: bool) -> None:
        super().__init__(name="signalbox-pulse", daemon=True)
        self.running: dict[str, Running] = {}
        self.busy = False  # from before a claim until its end is recorded; only asked where one job runs at a time
        self._door = threading.Lock()  # a process that has begun to end begins no job
        self.kills = kills  # in a process of its own a job can be stopped by ending the process
        self.jobs = 0  # that this process has run
        self.broken = ""  # why this process runs no further job; a fresh one takes its place
        self._duties = [[period, call, 0.0] for period, call in duties]
        self._stopping_since: float | None = None
        self._wake = threading.Event()

    def watch(self, running: Running) -> None:
        self.running[str(running.job.uid)] = running
        self._wake.set()

    def unwatch(self, running: Running) -> None:
        """After this the pulse writes nothing more for the attempt."""
        with running.writing:
            self.running.pop(str(running.job.uid), None)

    def leave(self, why: str) -> None:
        """Take no further job if ``why`` is not empty: it says what a job left that cannot be restored."""
        if why:
            log.error("A job left something that cannot be put back: %s. %s", why, LEAVES[self.kills])
            self.broken = self.broken or why

    def is_spent(self) -> bool:
        """Whether this process takes no further job: a job left something behind, or it has run its share."""
        most = getattr(_worker, "max_tasks_per_child", None) if self.kills else None
        return bool(self.broken or (most and self.jobs >= most))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Around a claim and what follows from it: a process of a stopping worker does not end meanwhile."""
        with self._door:
            self.busy = True
        try:
            yield
        finally:
            self.busy = False

    def run(self) -> None:
        while True:
            self._wake.wait(TICK_S if self.running else min(settings.SIGNALBOX_HEARTBEAT_S, 1.0))
            if self._wake.is_set():
                self._wake.clear()
                begun = set(self.running)
                time.sleep(LONG_S)  # most jobs end within that: nothing is written for them
                if begun & self.running.keys():
                    self._safely(lambda: notify.call_workers(queues()))
            for running in list(self.running.values()):
                self._safely(lambda running=running: self._attend(running))
            if self.kills and stopping() and self._since_stop() >= IDLE_STOP_S:
                self._end_idle()
            for duty in self._duties:
                period, call, last = duty
                if time.monotonic() - last >= period:
                    duty[2] = time.monotonic()
                    self._safely(call)

    def _end_idle(self) -> None:
        """billiard's child may wait half a minute until its parent has counted its results; nobody needs them."""
        with self._door:
            if not self.busy:
                signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
                os._exit(0)

    def _since_stop(self) -> float:
        """Seconds since this process saw that its worker stops."""
        self._stopping_since = self._stopping_since or time.monotonic()
        return time.monotonic() - self._stopping_since

    def _safely(self, call: Callable[[], None]) -> None:
        """Call and log any error, so that the thread never ends. A later beat writes what could not be written now."""
        try:
            call()
        except (DatabaseError, InterfaceError) as error:
            log.warning("The database could not be reached by the pulse: %s", error)
            connection.close()
        except Exception:
            log.exception("The pulse met an error and goes on.")

    def _attend(self, running: Running) -> None:
        with running.writing:
            if str(running.job.uid) not in self.running:
                return
            clock = time.monotonic()
            request: Any = True
            if clock - running.beaten >= running.every:
                request = lease.beat(running.job)
                running.beaten = running.checked = clock
            elif clock - running.checked >= CANCEL_CHECK_S:
                running.checked = clock
                request = lease.read_cancel(running.job)
            if running.report.has_news() and request is not None:
                request = self._flush(running)
            self._react(running, request)

    def _flush(self, running: Running) -> Any:
        news = running.report.take()
        try:
            return lease.flush(running.job, news)
        except BaseException:
            running.report.put_back(news)
            raise

    def _react(self, running: Running, request: Any) -> None:
        """``request``: a CancelRequest, None when the attempt has lost its job, or True when nothing was read."""
        if request is None:
            running.report.stop(Fenced)
        elif request is not True and request.cancel_requested:
            running.report.stop(Cancelled)
            if request.at_once and running.grace != 0:
                running.grace, running.stop_by = 0, None
            running.stop_by = (
                running.stop_by or (running.grace is not None and time.monotonic() + running.grace) or None
            )
            if self.kills and running.stop_by and time.monotonic() >= running.stop_by:
                sentence = f"Stopped {running.grace:g} s after the cancel: the job did not end by itself."
                lifecycle.cancel_acknowledged(running.job, sentence, running.report.take())
                _end_process()
        if self.kills and stopping() and self._since_stop() >= STOP_S:
            lifecycle.release(running.job, running.report.take())
            _end_process()


def _end_process() -> None:
    """End this pool child now. The end of its job is written; Celery starts another child."""
    connection.close()
    os.kill(os.getpid(), signal.SIGKILL)


_pulse: tuple[int, Pulse] | None = None
_worker: Any = None  # Celery's WorkController, kept by the parent before it forks
_worker_pid = 0
_stopping = mmap.mmap(-1, 1)  # shared with the children that are forked later


def remember_worker(worker: Any) -> None:
    """Keep the worker's object. The parent calls this before it forks."""
    global _worker, _worker_pid
    _worker, _worker_pid = worker, os.getpid()


def worker() -> tuple[Any, int]:
    """Celery's object of this process's worker, and the id of the worker's own process."""
    return _worker, _worker_pid


def say_stopping() -> None:
    _stopping[0] = 1


def stopping() -> bool:
    return _stopping[0] == 1


def current() -> Pulse | None:
    """The pulse of this very process, not the one its parent had."""
    return _pulse[1] if _pulse and _pulse[0] == os.getpid() else None


def start(kills: bool, duties: list[tuple[float, Callable[[], None]]]) -> Pulse:
    """Start this process's pulse, once."""
    global _pulse
    if (found := current()) is not None:
        return found
    pulse = Pulse(duties, kills)
    _pulse = (os.getpid(), pulse)
    pulse.start()
    return pulse


def queues() -> list[str]:
    """The queues that this process's worker serves, by name."""
    served = _worker.app.amqp.queues.consume_from if _worker else ()
    return sorted(name.removeprefix(f"{settings.SIGNALBOX_NAME}.") for name in served)

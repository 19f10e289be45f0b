"""Dispatcher and reaper: they recover from lost messages and from dead workers.

Both run in the pulse of each worker's first child, most often in the worker that leads. Several can run at once, since
every move is guarded. Leases are measured by this process's monotonic clock alone, so a jump of the wall clock ends no
attempt.
"""

import contextlib
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.conf import settings
from django.db import close_old_connections, connection

from tasks.engine import broker, calls, lifecycle, notify, registry, unserved
from tasks.engine.models import Job, State, Worker
from tasks.worker import heartbeat

log = logging.getLogger(__name__)

MOST_MESSAGES = 500  # a queue, a sweep
WAITS = "EXISTS (SELECT 1 FROM tasks_job WHERE app = '' AND state = 'queued')"
DUE = "EXISTS (SELECT 1 FROM tasks_job WHERE app = '' AND state IN ('scheduled', 'retrying') AND due_at <= %s)"
EXPIRED = "EXISTS (SELECT 1 FROM tasks_job WHERE app = '' AND expires_at <= %s AND finished_at IS NULL)"
WAKING_S = 0.5  # at once: the thread that wakes also beats for the job beside it
FORGOTTEN = timedelta(minutes=10)


class Reaper:
    """Measures how long ``Job.beat`` of each running attempt has not changed. After a lease it rescues the job."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, int, float]] = {}  # job: (attempt, beat, seconds that it stood still)
        self._looked = time.monotonic()

    def __call__(self) -> None:
        close_old_connections()
        columns = ("id", "attempt", "beat", "kind", "worker", "pid")
        running = Job.objects.filter(state=State.RUNNING).values_list(*columns)
        rows = list(running) if heartbeat.something_runs() else []
        clock = time.monotonic()
        # While the database was away nobody could beat: a longer time without a look counts as a short one.
        passed, self._looked = min(clock - self._looked, confirm_after()), clock
        before, self._seen = self._seen, {}
        lost = []
        for pk, attempt, beat, kind, worker, pid in rows:
            *known, stood = before.get(pk, (None, None, 0.0))
            stood = stood + passed if known == [attempt, beat] else 0.0
            self._seen[pk] = (attempt, beat, stood)
            if stood >= lease(kind) or (stood >= confirm_after() and process_is_gone(worker, pid)):
                lost.append((pk, attempt, beat))
        for each in lost:
            self._rescue(*each)

    def _rescue(self, pk: int, attempt: int, beat: int) -> None:
        job = Job.objects.filter(pk=pk, attempt=attempt).first()
        if job is not None and lifecycle.rescue(job, beat):
            log.warning("job %s: attempt %s was lost with its worker %s", job.uid, attempt, job.worker)


def lease(kind: str) -> float:
    """Seconds after which an attempt is lost if its beat does not change."""
    try:
        return registry.get(kind).lease or settings.SIGNALBOX_LEASE_S
    except registry.UnknownKind:
        return settings.SIGNALBOX_LEASE_S


def confirm_after() -> float:
    """Seconds without a beat before a missing process counts as dead."""
    return min(settings.SIGNALBOX_HEARTBEAT_S * 1.5, settings.SIGNALBOX_LEASE_S)


def process_is_gone(worker: str, pid: int | None) -> bool:
    """Whether a process of this very host does not exist any more. Unknown counts as no."""
    if pid is None or not Worker.objects.filter(name=worker, host=socket.gethostname()).exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class Look:
    """Asks in one statement what there is to do, and does it: an idle installation costs a database little.

    It runs more often than a sweep, or jobs spread by jitter would start together; in a worker that does not lead, as
    often as a sweep. ``more``: what is due elsewhere, as a condition in SQL with one moment, and what to do then.
    """

    def __init__(self, *more: tuple[str, Callable[[], None]]) -> None:
        self.queued = True  # whether any job was, when it last looked
        self._more, self._looked = more, -math.inf
        self._sql = f"SELECT {', '.join([WAITS, DUE, EXPIRED, *(f'EXISTS ({sql})' for sql, _ in more)])}"

    def __call__(self) -> None:
        clock = time.monotonic()
        if clock - self._looked < settings.SIGNALBOX_SWEEP_S and not heartbeat.leads():
            return
        self._looked = clock
        close_old_connections()
        moment = connection.ops.adapt_datetimefield_value(lifecycle.now())
        with connection.cursor() as cursor:
            cursor.execute(self._sql, [moment] * self._sql.count("%s"))
            self.queued, due, expired, *others = cursor.fetchone()
        if due or expired:
            wake()
            self.queued = True
        for found, (_, act) in zip(others, self._more, strict=True):
            if found:
                act()

    def if_queued(self, call: Callable[[], None]) -> Callable[[], None]:
        """A duty that is done only while a job is queued."""
        return lambda: call() if self.queued else None


def wake() -> None:
    """Queue the jobs that are due, and cancel those that have expired."""
    until = time.monotonic() + WAKING_S
    with bounded():
        while lifecycle.wake() >= 500 and time.monotonic() < until:
            pass


def dispatch() -> None:
    """Send messages for queued jobs that seem to have none in the broker."""
    with bounded():
        _notify_missing()


class Watcher:
    """Logs, once each while jobs wait for it, what no worker runs: nothing else in a log would say so."""

    def __init__(self) -> None:
        self._logged = unserved.Unserved(frozenset(), frozenset())

    def __call__(self) -> None:
        with bounded():
            found = unserved.find()
        for kind in sorted(found.kinds - self._logged.kinds)[: unserved.MOST]:
            log.warning("Jobs of the kind %s are queued, and no live worker knows it: is its module imported?", kind)
        for queue in sorted(found.queues - self._logged.queues)[: unserved.MOST]:
            log.warning("Jobs wait in the queue %s, which no live worker serves.", queue)
        self._logged = found


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """A connection that is alive, and no statement of more than two seconds where the database can tell: not behind
    a pooler, where the setting would be one of whoever gets the session next."""
    close_old_connections()
    limits = connection.vendor == "postgresql" and settings.PREPARE
    if limits:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 2000")
    try:
        yield
    finally:
        if limits:
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout")


def _notify_missing() -> None:
    """A message starts any job of its queue, so one is missing where fewer wait than jobs do, up to the broker's room.

    Jobs that only their own message starts are counted apart: messages of others say nothing about theirs.
    """
    clock = lifecycle.now()
    before = clock - timedelta(seconds=settings.SIGNALBOX_SWEEP_S)
    kinds, rated = calls.called(), calls.rated()
    for queue in _waiting_queues():
        waiting = Job.objects.filter(state=State.QUEUED, queue=queue, app="")
        if not waiting.filter(rung_at__lt=before).exists():
            continue
        try:
            ready = broker.ready(queue)
        except Exception as error:
            log.debug("The broker could not be asked: %s", error)
            return
        called = waiting.filter(serial_key="", kind__in=kinds)
        own = waiting.exclude(serial_key="", kind__in=kinds)
        missing = own[: ready + MOST_MESSAGES].count() - ready
        if called.exclude(kind__in=rated)[: ready + 1].count() > ready and ready < broker.ROOM:
            missing = max(missing, broker.ROOM - ready)
        elif not ready and called.exists():  # jobs that wait for a token: their workers call themselves
            missing = max(missing, 1)
        if missing > 0:
            notify.notify_again(queue, before, min(missing, MOST_MESSAGES))
        notify.notify_again(queue, clock - FORGOTTEN, MOST_MESSAGES)


def _waiting_queues() -> Iterator[str]:
    """The queues in which jobs wait, one look into the index each, however many wait."""
    queue: str | None = ""
    waiting = Job.objects.filter(state=State.QUEUED, app="").order_by("queue").values_list("queue", flat=True)
    while (queue := waiting.filter(queue__gt=queue).first()) is not None:
        yield queue

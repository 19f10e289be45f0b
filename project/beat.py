"""The scheduler that `celery beat` runs: it looks which slots are due and lets tasks.schedules.actions settle them.

A subclass of django-celery-beat's, whose rows it reads, and whose signal of changes it follows. It keeps nothing that
matters in memory: a beat that freezes, dies or runs twice changes nothing about which slots run.
"""

import logging
import os
import socket
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler

from tasks.alerts import evaluate
from tasks.engine.readable import readable
from tasks.schedules import actions, entries
from tasks.schedules.models import Beat, Schedule

log = logging.getLogger(__name__)

REST_S = 1.0  # the longest sleep: a changed schedule is seen within it
REREAD_S = 60.0  # whatever the clock or other beats did meanwhile


class Timekeeper(DatabaseScheduler):
    """One round a second at most: call in, read what changed, settle what is due."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._rows: dict[int, tuple[Schedule, datetime | None]] = {}  # with the next slot
        self._read_at = self._called_at = self._watched_at = float("-inf")
        self._change: datetime | None = None
        self._warned: set[str] = set()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Entries in code (``app.conf.beat_schedule``) become rows, as with the parent class; Celery's own do not."""
        for sentence in entries.wrong_entries():
            log.warning(sentence)
        for name, entry in self.app.conf.beat_schedule.items():
            try:
                self.Entry.from_entry(name, app=self.app, **entries.fields_of(entry))
            except entries.WrongEntry:
                continue

    def tick(self, *_: Any, **__: Any) -> float:
        """Returns the seconds until the next look."""
        try:
            close_old_connections()
            self._call_in()
            if time.monotonic() - self._watched_at >= settings.SIGNALBOX_SWEEP_S:
                self._watched_at = time.monotonic()
                evaluate.evaluate()  # as workers do: somebody must see that the last one of them is lost
            change = self.Changes.last_change()
            if change != self._change or time.monotonic() - self._read_at >= REREAD_S:
                self._change = change
                self._read()
            return self._settle(timezone.now())
        except (DatabaseError, InterfaceError) as error:
            log.warning("The schedules could not be reached: %s", error)
            connection.close()
            self._read_at = float("-inf")
            return REST_S

    def _call_in(self) -> None:
        if time.monotonic() - self._called_at < settings.SIGNALBOX_HEARTBEAT_S:
            return
        self._called_at, now = time.monotonic(), timezone.now()
        if not Beat.objects.filter(name=self._name).update(seen_at=now):
            Beat.objects.filter(seen_at__lt=now - timedelta(days=1)).delete()
            Beat.objects.create(name=self._name, started_at=now, seen_at=now)

    def _read(self) -> None:
        actions.adopt()
        strange = actions.strange_rows()
        for sentence in sorted(set(strange) - self._warned):
            log.warning(sentence)
        self._warned = set(strange)
        rows = readable(actions.rows().filter(periodic__enabled=True))
        for row in rows:
            if row.trouble:
                log.warning("The schedule %s (%s) is not kept: %s", row, row.uid, row.trouble)
        self._rows = {row.pk: (row, _next(row)) for row in rows}
        self._read_at = time.monotonic()

    def _settle(self, now: datetime) -> float:
        for pk, (row, slot) in list(self._rows.items()):
            if slot is None or slot > now:
                continue
            try:
                run = actions.keep(row, now)
            except Schedule.DoesNotExist:
                run = None
            except (OperationalError, InterfaceError):
                raise
            except Exception:  # one schedule that cannot be kept must not stop the others
                log.exception("The schedule %s could not be kept.", row.uid)
                self._rows[pk] = (row, None)
                continue
            if run is not None:
                log.info("%s: %s %s", row, run.slot, run.outcome)
            row = actions.rows().filter(pk=pk).first()
            if row is None or not row.periodic.enabled:
                del self._rows[pk]
            else:
                self._rows[pk] = (row, _next(row))
        coming = min((slot for _, slot in self._rows.values() if slot is not None), default=None)
        until = (coming - timezone.now()).total_seconds() if coming else REST_S
        return min(max(until, 0.0), REST_S)


def _next(row: Schedule) -> datetime | None:
    timing = row.timing
    return timing.following(row.done_until) if timing else None

"""Schedules beside django-celery-beat's own rows: what they add, their runs, and the beats that keep time.

The PeriodicTask says when, what (a kind and its parameters as JSON) and whether it is paused; a Schedule says whose it
is, what happens to runs that overlap or were missed, and up to when everything is settled. Nothing here starts a job.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Max
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from tasks.engine import registry
from tasks.engine.models import instant
from tasks.engine.uid import uuid7
from tasks.params.signature import MASK
from tasks.schedules import crontab, entries, slots

UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class Schedule(models.Model):
    """What a schedule adds to its PeriodicTask: owner, overlap, missed runs, and up to when all slots are settled."""

    class Overlap(models.TextChoices):
        SKIP = "skip", "skip the new run"
        QUEUE = "queue", "queue the new run"
        CANCEL = "cancel", "cancel the old run"

    class Missed(models.TextChoices):
        SKIP = "skip", "skip it"
        ONCE = "once", "catch up once"

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    periodic = models.OneToOneField(PeriodicTask, models.CASCADE, related_name="schedule_row")
    secrets = models.TextField(default="", editable=False)
    priority = models.SmallIntegerField(null=True)
    overlap = models.CharField(max_length=6, choices=Overlap, default=Overlap.SKIP)
    missed = models.CharField(max_length=6, choices=Missed, default=Missed.SKIP)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    done_until = models.DateTimeField(default=timezone.now)  # every slot up to here is settled

    def __str__(self) -> str:
        return self.periodic.name

    @property
    def kind(self) -> str:
        """The name of its kind. The row of its task may say Celery's name for it."""
        return registry.own_name(self.periodic.task)

    @property
    def timing(self) -> slots.Timing | None:
        """When it runs; None if its times cannot be read: ``trouble`` says why."""
        try:
            return self._timing()
        except Exception:  # whatever somebody else wrote into these rows
            return None

    def _timing(self) -> slots.Timing | None:
        periodic = self.periodic
        if periodic.interval:
            every = timedelta(**{periodic.interval.period: periodic.interval.every})
            start = periodic.start_time or self.created_at.replace(microsecond=0) + every
            return slots.Every(start, max(every, timedelta(seconds=1)))
        if periodic.clocked:
            return slots.Once(periodic.clocked.clocked_time)
        if periodic.crontab:
            return slots.Crontab(*crontab.read(self.crontab_fields), periodic.crontab.timezone)
        return None

    @property
    def trouble(self) -> str:
        """Why it can never run, or its jobs can never be made, in one sentence; empty: it can."""
        try:
            timing = self._timing()
        except crontab.WrongField as wrong:
            return str(wrong)
        except Exception as error:
            return f"Its times cannot be read. {type(error).__name__}: {error}"[:300]
        if timing is None:
            return "No interval, crontab or date is set, so it never runs."
        if self.periodic.crontab and timing.following(timezone.now()) is None:
            return "Its crontab matches no date, so it never runs."
        if why := entries.why_not(self.periodic.task):
            return f"{why[0].upper()}{why[1:]}, so no run can start."
        try:
            self.params  # noqa: B018 - raises what is wrong with them
            entries.order_of(self.periodic)
        except entries.WrongEntry as wrong:
            return str(wrong)
        except ValueError as error:
            return f"Its parameters cannot be read: {error}"[:300]
        return ""

    def next(self, most: int = 5, after: datetime | None = None) -> list[datetime]:
        """The slots to come; none while it is paused."""
        if not self.periodic.enabled or (timing := self.timing) is None:
            return []
        found = slots.next_slots(timing, max(self.done_until, after or timezone.now()), most)
        return [slot for slot in found if not self.periodic.expires or slot <= self.periodic.expires]

    @property
    def waiting_since(self) -> datetime | None:
        """The slot that is due and that no beat has settled."""
        if not self.periodic.enabled or (timing := self.timing) is None:
            return None
        slot = timing.following(self.done_until)
        return slot if slot is not None and slot <= timezone.now() else None

    @property
    def in_words(self) -> str:
        periodic = self.periodic
        if periodic.interval:
            return every_in_words(every) if (every := self.every) else "never"
        if periodic.crontab:
            return f"{crontab.in_words(self.crontab_text)} ({periodic.crontab.timezone})"
        return "once" if periodic.clocked else "never"

    @property
    def owner_is_off(self) -> bool:
        """Whether its owner was switched off. It goes on in that name all the same, and its page says so."""
        return self.owner is not None and not self.owner.is_active

    @property
    def every(self) -> timedelta | None:
        """The length of its interval; None without one, or with one that cannot be read."""
        interval = self.periodic.interval
        try:
            return interval and timedelta(**{interval.period: interval.every})
        except (TypeError, ValueError, OverflowError):
            return None

    @property
    def crontab_fields(self) -> tuple[str, ...]:
        cron = self.periodic.crontab
        return tuple(getattr(cron, field.column).replace(" ", "") for field in crontab.FIELDS) if cron else ()

    @property
    def crontab_text(self) -> str:
        return " ".join(self.crontab_fields)

    def to_dict(self) -> dict[str, Any]:
        """The schedule as the API shows it; the parameters with their secrets hidden."""
        periodic = self.periodic
        newest = self.runs.first()
        return {
            "id": str(self.uid),
            "name": periodic.name,
            "kind": self.kind,
            "params": self.shown_params if isinstance(self.shown_params, dict) else {},
            "every_s": self.every and self.every.total_seconds(),
            "start_at": instant(periodic.start_time),
            "crontab": self.crontab_text or None,
            "timezone": periodic.crontab and str(periodic.crontab.timezone),
            "at": instant(periodic.clocked and periodic.clocked.clocked_time),
            "in_words": self.in_words,
            "priority": self.priority,
            "overlap": self.overlap,
            "missed": self.missed,
            "paused": not periodic.enabled,
            "owner": self.owner and self.owner.get_username(),
            "created_at": instant(self.created_at),
            "next": [instant(slot) for slot in self.next()],
            "trouble": self.trouble or None,
            "late_since": instant(self.waiting_since),
            "last_run": newest and newest.to_dict(),
        }

    @property
    def params(self) -> dict[str, Any]:
        """Raises ValueError for what was typed by hand into Django's admin and is no JSON object."""
        return entries.params_of(self.periodic)

    @property
    def shown_params(self) -> Any:
        """The parameters; what cannot be read, as the text that it is."""
        try:
            params = self.params
        except (ValueError, RecursionError):
            return self.periodic.kwargs
        kind = registry.find(self.periodic.task)
        hidden = kind.signature.secrets if kind else ()
        return {name: MASK if name in hidden and value else value for name, value in params.items()}


class Run(models.Model):
    """What became of one slot, or of a press on "Run now"."""

    class Outcome(models.TextChoices):
        STARTED = "started"
        SKIPPED = "skipped"  # the run before it was not over
        MISSED = "missed"  # nobody kept time
        REFUSED = "refused"  # the job could not be made: ``note`` says why

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="runs", db_index=False)
    slot = models.CharField(max_length=40)  # "now <id>" when it was started by hand
    outcome = models.CharField(max_length=7, choices=Outcome)
    at = models.DateTimeField()
    late_s = models.FloatField(default=0)
    count = models.IntegerField(default=1)  # of slots that were missed in a row
    job = models.UUIDField(null=True)
    note = models.CharField(max_length=500, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["schedule", "slot"], name="run_once")]
        indexes = [models.Index("schedule", models.F("id").desc(), name="run_recent")]

    def __str__(self) -> str:
        return f"{self.slot} {self.outcome}"

    @property
    def is_by_hand(self) -> bool:
        return self.slot.startswith("now ")

    @property
    def due(self) -> datetime:
        """When it should have begun."""
        try:
            return self.at if self.is_by_hand else datetime.fromisoformat(self.slot)
        except ValueError:  # a slot that somebody else wrote
            return self.at

    def to_dict(self) -> dict[str, Any]:
        return {
            "slot": None if self.is_by_hand else self.slot,
            "outcome": self.outcome,
            "at": instant(self.at),
            "late_s": round(self.late_s, 3),
            "count": self.count,
            "job": self.job and str(self.job),
            "note": self.note or None,
        }


class Beat(models.Model):
    """A beat process, and when it last called in."""

    name = models.CharField(max_length=200, unique=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


def every_in_words(every: timedelta) -> str:
    """ "every 90 seconds", "every hour"."""
    seconds = every.total_seconds()
    unit, size = next((unit, size) for unit, size in UNITS if seconds % size == 0 or size == 1)
    n = seconds / size
    return f"every {unit}" if n == 1 else f"every {n:g} {unit}s"


def beats() -> bool:
    """Whether some beat process is alive."""
    lately = timezone.now() - timedelta(seconds=settings.SIGNALBOX_LEASE_S)
    return Beat.objects.filter(seen_at__gte=lately).exists()


def read_mark() -> tuple[Any, ...]:
    """Differs when what the page shows may have changed: see ``tasks.web.features.Topic``."""
    newest = Run.objects.aggregate(new=Max("id"))["new"]
    return newest, beats(), PeriodicTasks.last_change()

"""What is watched, and what was found: rules and alerts.

Columns, constraints and shapes only. ``evaluate`` opens and closes, ``announce`` sends messages.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import models
from django.db.models import Count, Max, Q
from django.utils import timezone

from tasks.channels.models import Channel
from tasks.engine import storable
from tasks.engine.models import instant
from tasks.engine.ordered_json import ReadableJSONField
from tasks.engine.uid import uuid7
from tasks.engine.words import number_of


class Watch(models.TextChoices):
    """What a rule looks at, or what an alert is about."""

    FAILURES = "failures", "a kind fails too often"
    WAITING = "waiting", "a queue waits too long"
    WORKER = "worker", "a worker is lost"
    SCHEDULE = "schedule", "a schedule is late or missed a run"


class Rule(models.Model):
    """Which columns count depends on ``watch``; an empty ``kind``, ``queue`` or ``schedule`` means each of them."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    watch = models.CharField(max_length=8, choices=Watch)
    kind = models.CharField(max_length=200, blank=True, default="")
    queue = models.CharField(max_length=100, blank=True, default="")
    schedule = models.UUIDField(null=True, blank=True)
    apps = ReadableJSONField(default=list, blank=True, db_default=[])  # whose jobs; empty: our own
    times = models.PositiveIntegerField(default=5)  # more failures than these
    minutes = models.PositiveIntegerField(default=10)  # within these
    seconds = models.PositiveIntegerField(default=60)  # of waiting or being late
    enabled = models.BooleanField(default=True)
    for_s = models.PositiveIntegerField(default=0)  # the condition holds for so long before an alert opens
    close_at = models.PositiveIntegerField(null=True)  # the figure at which it closes; null: the limit itself
    close_after_s = models.PositiveIntegerField(default=0)  # all is well for so long before it closes
    channels = models.ManyToManyField(Channel, blank=True, related_name="rules")
    repeat_s = models.PositiveIntegerField(default=0)  # another message while it is open; 0: none
    group_s = models.PositiveIntegerField(default=0)  # between two messages of this rule; what comes meanwhile is one
    quiet_from = models.TimeField(null=True)  # no messages from this wall clock time …
    quiet_until = models.TimeField(null=True)  # … until this one, in quiet_zone
    quiet_zone = models.CharField(max_length=64, default="UTC")
    muted = models.BooleanField(default=False)  # alerts open, and nobody gets a message
    said_at = models.DateTimeField(null=True, editable=False)  # the newest message
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        match self.watch:
            case Watch.FAILURES:
                return f"{self.kind or 'A kind'} fails more than {number_of(self.times, 'time')} in {self.minutes} min"
            case Watch.WAITING:
                return f"The oldest job of {self.queue or 'a queue'} waits longer than {self.seconds} s"
            case Watch.WORKER:
                return "A worker is lost"
        return f"A schedule is more than {self.seconds} s late, or missed a run"

    @property
    def limit(self) -> float:
        """What the figure must exceed."""
        return {Watch.FAILURES: self.times, Watch.WAITING: self.seconds}.get(self.watch, 0)

    @property
    def floor(self) -> float:
        """The figure at or under which an open alert closes."""
        return self.limit if self.close_at is None else min(self.close_at, self.limit)

    def is_quiet(self, now: datetime) -> bool:
        """Whether this moment lies in the rule's quiet hours. A zone that is not known any more counts as UTC."""
        if self.quiet_from is None or self.quiet_until is None or self.quiet_from == self.quiet_until:
            return False
        try:
            zone: Any = ZoneInfo(self.quiet_zone)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            zone = UTC
        clock = now.astimezone(zone).time()
        if self.quiet_from < self.quiet_until:
            return self.quiet_from <= clock < self.quiet_until
        return clock >= self.quiet_from or clock < self.quiet_until

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": str(self.uid),
            "watch": self.watch,
            "kind": self.kind,
            "queue": self.queue,
            "schedule": self.schedule and str(self.schedule),
            "apps": storable.texts(self.apps),
            "times": self.times,
            "minutes": self.minutes,
            "seconds": self.seconds,
            "enabled": self.enabled,
            "for_s": self.for_s,
            "close_at": self.close_at,
            "close_after_s": self.close_after_s,
            "channels": sorted(str(channel.uid) for channel in self.channels.all()) if self.pk else [],
            "repeat_s": self.repeat_s,
            "group_s": self.group_s,
            "quiet_from": self.quiet_from and f"{self.quiet_from:%H:%M}",
            "quiet_until": self.quiet_until and f"{self.quiet_until:%H:%M}",
            "quiet_zone": self.quiet_zone,
            "muted": self.muted,
            "in_words": str(self),
            "owner": self.owner and self.owner.get_username(),
            "created_at": instant(self.created_at),
        }


class Pending(models.Model):
    """A condition that holds, but not yet for as long as its rule says."""

    key = models.CharField(max_length=300, unique=True)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class Alert(models.Model):
    """A condition that held too long, until it was over. Of one ``key`` (rule and subject) one is open at a time."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    key = models.CharField(max_length=300)
    rule = models.ForeignKey(Rule, models.SET_NULL, null=True, related_name="alerts")
    about = models.CharField(max_length=8)  # a Watch, or "webhook"
    subject = models.CharField(max_length=200)
    sentence = models.CharField(max_length=500)  # with the figure of now
    figure = models.FloatField(null=True)  # failures or seconds; null: there is none
    peak = models.FloatField(null=True)
    well_since = models.DateTimeField(null=True)  # all is well, but not yet for as long as the rule says
    said_at = models.DateTimeField(null=True)  # the newest message about it
    said_figure = models.FloatField(null=True)  # the figure in that message
    said_closed = models.BooleanField(default=False)
    snoozed_until = models.DateTimeField(null=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True)  # somebody has seen it; it stays open until it is over
    dismissed_by = models.CharField(max_length=150, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(closed_at__isnull=True), name="alert_open_once")
        ]
        indexes = [models.Index("opened_at", name="alert_open", condition=Q(closed_at__isnull=True))]

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """The alert as pages, API, frames and webhooks show it."""
        return {
            "id": str(self.uid),
            "rule": self.rule and str(self.rule.uid),
            "about": self.about,
            "subject": self.subject,
            "sentence": self.sentence,
            "figure": self.figure,
            "snoozed_until": instant(self.snoozed_until),
            "opened_at": instant(self.opened_at),
            "closed_at": instant(self.closed_at),
            "dismissed_by": self.dismissed_by or None,
        }


def read_mark() -> tuple[Any, ...]:
    """Differs when what the page shows may have changed: see ``tasks.web.features.Topic``."""
    alerts = Alert.objects.aggregate(n=Count("id"), new=Max("id"), closed=Max("closed_at"), seen=Max("dismissed_at"))
    shown = Alert.objects.filter(closed_at=None).order_by("id").values_list("sentence", "snoozed_until")[:100]
    return (*alerts.values(), *shown, *Rule.objects.order_by("id").values_list())


def expired_alerts(now: datetime) -> models.QuerySet[Alert]:
    """Alerts that were over more than 30 days ago, for ``prune``."""
    return Alert.objects.filter(closed_at__lt=now - timedelta(days=30))

"""What is watched, and what was found: rules and alerts.

Columns, constraints and shapes only; tasks.alerts.evaluate opens and closes.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, Max, Q
from django.utils import timezone

from tasks.engine.models import instant
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
    times = models.PositiveIntegerField(default=5)  # more failures than these
    minutes = models.PositiveIntegerField(default=10)  # within these
    seconds = models.PositiveIntegerField(default=60)  # of waiting or being late
    enabled = models.BooleanField(default=True)
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

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": str(self.uid),
            "watch": self.watch,
            "kind": self.kind,
            "queue": self.queue,
            "schedule": self.schedule and str(self.schedule),
            "times": self.times,
            "minutes": self.minutes,
            "seconds": self.seconds,
            "enabled": self.enabled,
            "in_words": str(self),
            "owner": self.owner and self.owner.get_username(),
            "created_at": instant(self.created_at),
        }


class Alert(models.Model):
    """One notice, from when it opened until it was over. Of one ``key`` (rule and subject) one is open at a time."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    key = models.CharField(max_length=300)
    rule = models.ForeignKey(Rule, models.SET_NULL, null=True, related_name="alerts")
    about = models.CharField(max_length=8)  # a Watch, or "webhook"
    subject = models.CharField(max_length=200)
    sentence = models.CharField(max_length=500)
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
            "opened_at": instant(self.opened_at),
            "closed_at": instant(self.closed_at),
            "dismissed_by": self.dismissed_by or None,
        }


def read_mark() -> tuple[Any, ...]:
    """Differs when what the page shows may have changed: see ``tasks.web.features.Topic``."""
    alerts = Alert.objects.aggregate(n=Count("id"), new=Max("id"), closed=Max("closed_at"), seen=Max("dismissed_at"))
    return (*alerts.values(), *Rule.objects.order_by("id").values_list())


def expired_alerts(now: datetime) -> models.QuerySet[Alert]:
    """Alerts that were over more than 30 days ago, for ``prune``."""
    return Alert.objects.filter(closed_at__lt=now - timedelta(days=30))

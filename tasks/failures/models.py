"""Which groups of failures were handled, merged or snoozed. Columns only."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models


class Handled(models.Model):
    """One group, of one kind and one pattern of error. A failure after ``until`` brings it back."""

    kind = models.CharField(max_length=200)
    key = models.CharField(max_length=64, blank=True)  # Job.error_key
    until = models.DateTimeField()  # when the newest failure that was seen had ended
    at = models.DateTimeField()
    by = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="handled_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


def expired_marks(now: datetime) -> models.QuerySet[Handled]:
    """Marks of failures that are themselves deleted by now, for ``prune``."""
    return Handled.objects.filter(until__lt=now - timedelta(days=settings.SIGNALBOX_KEEP_FAILED_D))


class Merged(models.Model):
    """A group that somebody has put into another one of its kind. New failures of it go there too."""

    kind = models.CharField(max_length=200)
    key = models.CharField(max_length=64, blank=True)  # Job.error_key
    into = models.CharField(max_length=64, blank=True)  # the key of a group that is in no other
    at = models.DateTimeField()
    by = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="merged_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} in {self.into}"


class Snoozed(models.Model):
    """A group that is not shown as open until a moment, or until it fails again (``seen``: its newest failure then)."""

    kind = models.CharField(max_length=200)
    key = models.CharField(max_length=64, blank=True)  # Job.error_key
    until = models.DateTimeField()
    seen = models.DateTimeField(null=True)  # null: whatever fails meanwhile
    at = models.DateTimeField()
    by = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="snoozed_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} until {self.until}"

    def holds(self, now: datetime, last: datetime) -> bool:
        """Whether the group is still snoozed, whose newest failure ended at ``last``."""
        return now < self.until and (self.seen is None or last <= self.seen)


def expired_snoozes(now: datetime) -> models.QuerySet[Snoozed]:
    """Snoozes that are over, for ``prune``."""
    return Snoozed.objects.filter(until__lt=now)

"""Where alerts reach people, and each message to them: channels and notifications.

Columns and shapes only. ``outgoing`` writes notifications, ``tasks.channels.tasks`` sends them.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Max, Q

from tasks.engine import sealing
from tasks.engine.models import instant
from tasks.engine.ordered_json import ShapedJSONField
from tasks.engine.uid import uuid7

KEPT = timedelta(days=30)


class Channel(models.Model):
    """An address of a service. The address is sealed: it is written, and never read back."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(max_length=100)
    sealed = models.TextField(editable=False)
    service = models.CharField(max_length=60, default="", editable=False)  # Slack, E-Mail …
    last_at = models.DateTimeField(null=True, editable=False)
    last_ok = models.BooleanField(default=False, editable=False)
    last_said = models.CharField(max_length=300, default="", editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        """The address. Unsealable when SECRET_KEY is no longer the one that sealed it."""
        return sealing.unseal(self.sealed)["url"]

    def to_dict(self) -> dict[str, Any]:
        """The channel as every surface shows it: never its address."""
        last = {"at": instant(self.last_at), "ok": self.last_ok, "said": self.last_said}
        return {
            "id": str(self.uid),
            "name": self.name,
            "service": self.service,
            "last": last if self.last_at else None,
            "owner": self.owner and self.owner.get_username(),
            "created_at": instant(self.created_at),
        }


class Notification(models.Model):
    """One message to one channel, with its tries: ``[{"at", "ok", "said", "seconds"}]``, the oldest first."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        FAILED = "failed"

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="notifications", db_index=False)
    about = models.CharField(max_length=8)  # what the service shows as a colour: info, success, warning, failure
    title = models.CharField(max_length=250)
    body = models.TextField()
    job = models.UUIDField(null=True)
    status = models.CharField(max_length=7, choices=Status, default=Status.PENDING)
    tries = ShapedJSONField(default=list)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("channel", "id", name="notification_channel"),
            models.Index("finished_at", name="notification_finished", condition=Q(finished_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.status})"

    def to_dict(self) -> dict[str, Any]:
        """The notification with its tries. Reads the channel, unless it came along."""
        return {
            "id": str(self.uid),
            "channel": str(self.channel.uid),
            "title": self.title,
            "body": self.body,
            "job": self.job and str(self.job),
            "status": self.status,
            "tries": self.tries if isinstance(self.tries, list) else [],
            "created_at": instant(self.created_at),
            "finished_at": instant(self.finished_at),
        }


def read_mark() -> tuple[Any, ...]:
    """Differs when what the page shows may have changed: see ``tasks.web.features.Topic``."""
    new = Notification.objects.aggregate(n=Max("id"), done=Max("finished_at")).values()
    return (*new, *Channel.objects.order_by("id").values_list("id", "name", "last_at"))


def expired_notifications(now: datetime) -> models.QuerySet[Notification]:
    """Notifications that ended more than 30 days ago, for ``prune``."""
    return Notification.objects.filter(finished_at__lt=now - KEPT)

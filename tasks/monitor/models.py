"""When a release began to run here: one row for each change, written by workers as they start."""

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from tasks.engine.models import instant
from tasks.engine.transition import retry_on_lock

KEPT = timedelta(days=35)  # the longest chart shows 30 days


class Rollout(models.Model):
    """A worker started with another release than the newest one known."""

    release = models.CharField(max_length=100)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.release} since {self.at:%Y-%m-%d %H:%M}"

    def to_dict(self) -> dict[str, Any]:
        return {"at": instant(self.at), "release": self.release}


@retry_on_lock
def note_release(release: str) -> None:
    """Write that a worker starts with this release, if it is another one than the newest. Two at once may write two."""
    newest = Rollout.objects.order_by("-id").values_list("release", flat=True).first()
    if release and release != newest:
        Rollout.objects.create(release=release, at=timezone.now())


def since(moment: datetime) -> list[dict[str, Any]]:
    """The changes of release since then, the oldest first: ``[{"at", "release"}]``."""
    return [row.to_dict() for row in Rollout.objects.filter(at__gte=moment).order_by("id")]


def expired_rollouts(now: datetime) -> models.QuerySet[Rollout]:
    """Changes that no chart shows any more, but the newest, for ``prune``."""
    newest = Rollout.objects.order_by("-id").values("pk")[:1]
    return Rollout.objects.filter(at__lt=now - KEPT).exclude(pk__in=list(newest.values_list("pk", flat=True)))

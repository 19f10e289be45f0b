"""Web services and how each of their checks went. Knows nothing of HTTP."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from tasks.engine.uid import uuid7

URL = 2048  # characters, as the parameter of the kind has them
KEPT = 1_000  # observations of one service


class Status(models.TextChoices):
    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class Service(models.Model):
    """A web address that is checked. ``since`` is when its status last changed."""

    Status = Status

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    url = models.CharField(max_length=URL, unique=True)
    status = models.CharField(max_length=7, choices=Status, default=Status.UNKNOWN)
    since = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(status__in=Status.values), name="service_status")]

    def __str__(self) -> str:
        return self.url

    def observe(self, job: UUID, at: datetime, up: bool, **seen: Any) -> "Observation":
        """Keep what a job saw, once for each job. An older check that ends late does not change the status."""
        with transaction.atomic():
            service = Service.objects.select_for_update().get(pk=self.pk)
            observation, _ = Observation.objects.update_or_create(
                job=job, defaults={"service": service, "at": at, "up": up, **seen}
            )
            status = Status.UP if up else Status.DOWN
            newer = Service.objects.filter(pk=service.pk).exclude(checked_at__gt=at)
            newer.exclude(status=status).update(since=at)
            newer.update(status=status, checked_at=at)
        self.refresh_from_db()
        return observation

    def latest(self, most: int) -> list["Observation"]:
        """The last checks, oldest first."""
        return list(self.observations.order_by("-at", "-id")[:most])[::-1]

    def forget_old(self) -> None:
        """Keep the newest KEPT observations. Each call deletes a bounded number, so a long history takes several."""
        old = list(self.observations.order_by("-at", "-id").values_list("pk", flat=True)[KEPT : KEPT + 200])
        Observation.objects.filter(pk__in=old).delete()


class Observation(models.Model):
    """How one check went. ``job`` is the job that looked: one that runs again replaces what it saw before."""

    service = models.ForeignKey(Service, models.CASCADE, related_name="observations", db_index=False)
    job = models.UUIDField(unique=True)
    at = models.DateTimeField()
    up = models.BooleanField()
    http_status = models.PositiveSmallIntegerField(null=True)
    seconds = models.FloatField()
    reason = models.CharField(max_length=300, default="")  # why it was not well

    class Meta:
        indexes = [models.Index("service", models.F("at").desc(), models.F("id").desc(), name="checks_shown")]

    def __str__(self) -> str:
        return f"{self.service} {'up' if self.up else 'down'} at {self.at:%Y-%m-%d %H:%M:%S}"

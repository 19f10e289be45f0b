"""Webhooks: endpoints, the deliveries to each, and the attempts of each delivery.

Columns, constraints, indexes and shapes only. ``outbox`` writes deliveries, ``sender`` sends them.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Max, Q

from tasks.engine import applications, sealing, storable
from tasks.engine.models import State, instant
from tasks.engine.ordered_json import ReadableJSONField
from tasks.engine.uid import uuid7

FILTERS = ("states", "kinds", "queues", "apps")


class Endpoint(models.Model):
    """An address that gets messages about jobs, or (``callbacks_of``) the secret that signs one person's callbacks.

    An empty filter lets everything through, but an empty ``apps`` means our own jobs. ``hears_running`` and
    ``hears_succeeded`` repeat ``states`` for the two moves that every job makes: they ask for nothing else.
    """

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(max_length=100, blank=True)
    url = models.TextField()
    states = ReadableJSONField(default=list, blank=True)
    kinds = ReadableJSONField(default=list, blank=True)
    queues = ReadableJSONField(default=list, blank=True)
    apps = ReadableJSONField(default=list, blank=True, db_default=[])
    alerts = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    hears_running = models.BooleanField(default=False, editable=False)
    hears_succeeded = models.BooleanField(default=False, editable=False)
    secret = models.TextField(editable=False)
    old_secret = models.TextField(default="", editable=False)
    old_until = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    off_because = models.CharField(max_length=300, default="", editable=False)
    callbacks_of = models.CharField(max_length=40, null=True, unique=True, editable=False)  # noqa: DJ001 - NULLs do not collide
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name or self.url

    def save(self, *args: Any, **kwargs: Any) -> None:
        subscribes = self.callbacks_of is None
        states = storable.texts(self.states)
        self.hears_running = subscribes and (not self.states or State.RUNNING in states)
        self.hears_succeeded = subscribes and (not self.states or State.SUCCEEDED in states)
        super().save(*args, **kwargs)

    def wants(self, summary: dict[str, Any], chore: bool = False) -> bool:
        """Whether it gets a message about this job. Of a chore only about failures, unless its kind is named."""
        if self.trouble:  # its filters cannot be read: no message is better than one to the wrong address
            return False
        if not applications.includes(self.apps, summary["app"]):
            return False
        if chore and summary["kind"] not in self.kinds and summary["state"] != State.FAILED:
            return False
        asked = ((self.states, "state"), (self.kinds, "kind"), (self.queues, "queue"))
        return all(not wanted or summary[what] in wanted for wanted, what in asked)

    @property
    def filters(self) -> dict[str, list[str]]:
        """``states``, ``kinds``, ``queues`` and ``apps``, whatever somebody else has written there."""
        return {name: storable.texts(getattr(self, name)) for name in FILTERS}

    @property
    def trouble(self) -> str:
        """Why nothing is sent, in one sentence; empty: it can be."""
        wrong = [name for name in FILTERS if getattr(self, name) != self.filters[name]]
        return f"Its {' and '.join(wrong)} cannot be read, so nothing is sent: set them again." if wrong else ""

    def secrets(self, now: datetime) -> list[str]:
        """What signs a delivery now, the newest first: two while a rotation is young."""
        kept = [self.secret] + ([self.old_secret] if self.old_until and now < self.old_until else [])
        return [sealing.unseal(text)["secret"] for text in kept]

    def to_dict(self) -> dict[str, Any]:
        """The endpoint as every surface shows it: never its secret."""
        return {
            "id": str(self.uid),
            "name": self.name,
            "url": self.url,
            **self.filters,
            "alerts": self.alerts,
            "enabled": self.enabled,
            "off_because": self.off_because or None,
            "failing_since": instant(self.failing_since),
            "owner": self.owner and self.owner.get_username(),
            "created_at": instant(self.created_at),
        }


class Delivery(models.Model):
    """One message to one endpoint. Every try sends the same ``body``, byte for byte. ``uid`` is the message's id."""

    class Status(models.TextChoices):
        """How far it has come."""

        PENDING = "pending"
        SENDING = "sending"
        DELIVERED = "delivered"
        FAILED = "failed"  # given up, or refused for good
        DROPPED = "dropped"  # the endpoint was switched off

    OPEN = frozenset({Status.PENDING, Status.SENDING})

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries", db_index=False)
    lane = models.CharField(max_length=300)  # what waits for one slow server waits in one lane
    url = models.TextField(default="")  # of a callback; else the endpoint's
    event = models.CharField(max_length=40)
    job = models.UUIDField(null=True)
    body = models.TextField()
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    tries = models.IntegerField(default=0)
    tries_before = models.IntegerField(default=0)  # at the last replay, which begins the calendar of tries again
    next_try_at = models.DateTimeField(null=True)  # while it is being sent: when the sender counts as dead
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("lane", "next_try_at", name="delivery_open", condition=Q(status__in=["pending", "sending"])),
            models.Index("endpoint", "id", name="delivery_endpoint"),
            models.Index("job", name="delivery_job", condition=Q(job__isnull=False)),
            models.Index("finished_at", name="delivery_finished", condition=Q(finished_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.uid} {self.status}"

    @property
    def target(self) -> str:
        return self.url or self.endpoint.url

    @property
    def last_try(self) -> "DeliveryAttempt | None":
        return next(iter(list(self.attempts.all())[::-1]), None)

    def to_dict(self) -> dict[str, Any]:
        """The delivery with its attempts, oldest first. Reads them, and the endpoint, unless they came along."""
        return {
            "id": str(self.uid),
            "webhook": None if self.endpoint.callbacks_of else str(self.endpoint.uid),
            "url": self.target,
            "event": self.event,
            "job": self.job and str(self.job),
            "status": self.status,
            "tries": self.tries,
            "next_try_at": instant(self.next_try_at) if self.status == self.Status.PENDING else None,
            "created_at": instant(self.created_at),
            "finished_at": instant(self.finished_at),
            "attempts": [each.to_dict() for each in self.attempts.all()],
        }


class DeliveryAttempt(models.Model):
    """How one try went: a status and the beginning of the answer, or why there was none."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts", db_index=False)
    number = models.IntegerField()
    at = models.DateTimeField()
    seconds = models.FloatField()
    code = models.IntegerField(null=True)
    error = models.CharField(max_length=300, default="")
    reply = models.CharField(max_length=500, default="")

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_once")]

    def __str__(self) -> str:
        return f"try {self.number}: {self.code or self.error}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at": instant(self.at),
            "seconds": round(self.seconds, 3),
            "code": self.code,
            "error": self.error or None,
            "reply": self.reply,
        }


def read_mark() -> tuple[Any, ...]:
    """Differs when what the page shows may have changed: see ``tasks.web.features.Topic``."""
    newest = Delivery.objects.aggregate(new=Max("id"))["new"], DeliveryAttempt.objects.aggregate(new=Max("id"))["new"]
    return (*newest, *Endpoint.objects.order_by("id").values_list("id", "name", "url", "enabled", "failing_since"))


def expired_deliveries(now: datetime) -> models.QuerySet[Delivery]:
    """Deliveries that ended more than 30 days ago, for ``prune``."""
    return Delivery.objects.filter(finished_at__lt=now - timedelta(days=30))

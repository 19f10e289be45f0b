"""What is kept of watched applications beside their tasks: the applications, workers, queues, gaps and orders.

Columns and shapes only. The tasks themselves are rows of ``tasks.engine.models.Job`` with ``app`` set.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

from tasks.engine.models import Counted, Job, instant
from tasks.engine.ordered_json import ShapedJSONField
from tasks.engine.uid import uuid7

GAPS_SHOWN = 20
NAME = "^[a-z0-9-]{1,32}$"  # of an application, as project/observe_settings.py reads it


class AppManager(models.Manager):
    """Without rows whose names SIGNALBOX_OBSERVE cannot have given: no page has an address for them."""

    def get_queryset(self) -> models.QuerySet["App"]:
        return super().get_queryset().filter(name__regex=NAME)


class App(models.Model):
    """One watched application. ``holder`` and ``beat``: the observer that leads, and that it lives."""

    name = models.CharField(max_length=32, unique=True)
    transport = models.CharField(max_length=10)  # redis, amqp
    watched = models.BooleanField(default=True)  # it stands in SIGNALBOX_OBSERVE
    holder = models.CharField(max_length=200, default="")
    beat = models.BigIntegerField(default=0)
    since = models.DateTimeField(null=True)  # it is watched without a break; NULL: nobody watches
    as_of = models.DateTimeField(null=True)  # the last moment up to which everything that came is in the rows
    lag_ms = models.IntegerField(default=0)  # between an event and its row, of late
    unseen = models.BigIntegerField(default=0)  # tasks that began and that nobody saw, in all
    dropped = ShapedJSONField(default=dict)  # what was no event, by what was wrong
    note = models.CharField(max_length=500, default="")  # why nothing is heard, or less than could be
    reads = ShapedJSONField(default=dict)  # source → whether it is read: events, queues, workers, results

    objects = AppManager()

    def __str__(self) -> str:
        return self.name


class Gap(models.Model):
    """A time in which not everything was seen."""

    app = models.ForeignKey(App, models.CASCADE, related_name="gaps")
    begin = models.DateTimeField()
    until = models.DateTimeField()
    unseen = models.BigIntegerField(default=0)
    why = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["app", "until"], name="gap_until")]

    def __str__(self) -> str:
        return f"{self.app} {self.begin} {self.why}"

    def to_dict(self) -> dict[str, Any]:
        return {"from": instant(self.begin), "until": instant(self.until), "unseen": self.unseen, "why": self.why}


class WatchedWorker(models.Model):
    """A worker process of a watched application. ``name`` as that application says it."""

    app = models.ForeignKey(App, models.CASCADE, related_name="workers")
    name = models.CharField(max_length=200)
    pid = models.IntegerField()
    since = models.DateTimeField()  # first heard of
    seen_at = models.DateTimeField()  # last heard of, by our clock
    stopped_at = models.DateTimeField(null=True)  # it said that it stops, or another process took its name
    silent_since = models.DateTimeField(null=True)
    base = models.BigIntegerField(null=True)
    starts = models.BigIntegerField(default=0)
    unseen = models.BigIntegerField(default=0)
    processed = models.BigIntegerField(default=0)
    active = models.IntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    succeeded = models.BigIntegerField(default=0)
    retried = models.BigIntegerField(default=0)
    load = ShapedJSONField(default=list)
    version = models.CharField(max_length=100, default="")
    skew_ms = models.IntegerField(default=0)
    events = models.CharField(max_length=20, default="")  # on, off, unavailable; "": not known yet
    events_why = models.CharField(max_length=200, default="")
    pool = models.CharField(max_length=100, default="")
    concurrency = models.IntegerField(null=True)
    queues = ShapedJSONField(default=list)
    detail = ShapedJSONField(default=dict)  # of inspect: stats and a part of conf

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "name", "pid"], name="watched_worker_once")]

    def __str__(self) -> str:
        return f"{self.app.name}:{self.name}"


class WatchedQueue(models.Model):
    """A queue of a watched application, as the broker counts it."""

    app = models.ForeignKey(App, models.CASCADE, related_name="queues")
    name = models.CharField(max_length=200)
    depth = models.BigIntegerField(null=True)
    unacknowledged = models.BigIntegerField(null=True)
    consumers = models.IntegerField(null=True)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "name"], name="watched_queue_once")]

    def __str__(self) -> str:
        return f"{self.app.name}:{self.name}"


class EndedBar(Counted):
    """What ended of an application in one minute, or one bar of a chart. The observer adds to it with each row.

    Counts stay when the rows go: an application that ends thousands of tasks a second keeps its charts.
    """

    app = models.ForeignKey(App, models.CASCADE, related_name="bars")
    minutes = models.SmallIntegerField()  # how wide it is

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "minutes", "at", "kind", "outcome"], name="watched_bar_once")
        ]


class OrderState(models.TextChoices):
    ASKED = "asked"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    NO_ANSWER = "no answer"


class Order(models.Model):
    """What a person wants done in a watched application. The observer carries it out and writes the answers."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    app = models.ForeignKey(App, models.CASCADE, related_name="orders")
    order = models.CharField(max_length=20)
    values = ShapedJSONField(default=dict)
    secrets = models.TextField(default="")  # sealed: arguments of what is run again
    job = models.UUIDField(null=True)  # the task that it is about
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    who = models.CharField(max_length=150, default="")
    stage = models.CharField(max_length=10, choices=OrderState, default=OrderState.ASKED)
    answers = ShapedJSONField(default=list)
    said = models.CharField(max_length=500, default="")
    asked_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    once = models.CharField(max_length=255, null=True)  # noqa: DJ001 - NULL: no idempotency key, and NULLs do not collide

    class Meta:
        constraints = [models.UniqueConstraint(fields=["by", "once"], name="order_once")]
        indexes = [
            models.Index("app", "id", name="order_asked", condition=models.Q(taken_at__isnull=True)),
            models.Index("job", name="order_job", condition=models.Q(job__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.order} {self.stage}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": str(self.uid),
            "app": self.app.name,
            "order": self.order,
            "values": self.values,
            "job": self.job and str(self.job),
            "by": self.who or None,
            "state": self.stage,
            "answers": self.answers,
            "said": self.said or None,
            "asked_at": instant(self.asked_at),
            "answered_at": instant(self.answered_at),
        }


def expired_tasks(now: datetime) -> models.QuerySet[Job]:
    """Old tasks of applications that are no longer watched; those of the others the observer deletes itself."""
    names = App.objects.filter(watched=False).values_list("name", flat=True)
    old = now - timedelta(days=settings.SIGNALBOX_KEEP_WATCHED_D)
    return Job.every.filter(app__in=list(names), finished_at__lt=old).order_by("finished_at")


def expired_gaps(now: datetime) -> models.QuerySet[Gap]:
    """Gaps that no chart shows any more, for ``prune``."""
    return Gap.objects.filter(until__lt=now - timedelta(days=35))


def expired_bars(now: datetime) -> models.QuerySet[EndedBar]:
    """Bars that no chart shows any more: minutes are drawn for an hour, quarters of an hour for a day."""
    old = models.Q(at__lt=now - timedelta(days=35))
    for minutes, kept in ((1, timedelta(hours=2)), (15, timedelta(days=2))):
        old |= models.Q(minutes=minutes, at__lt=now - kept)
    return EndedBar.objects.filter(old)


def expired_orders(now: datetime) -> models.QuerySet[Order]:
    return Order.objects.filter(asked_at__lt=now - timedelta(days=settings.SIGNALBOX_KEEP_AUDIT_D))


def expired_workers(now: datetime) -> models.QuerySet[WatchedWorker]:
    return WatchedWorker.objects.filter(seen_at__lt=now - timedelta(days=7))

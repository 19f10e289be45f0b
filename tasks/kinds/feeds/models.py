"""Feeds, their entries and who subscribes to them: columns, constraints and the moves of one row.

Knows nothing of HTTP and of documents.
"""

from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from tasks.engine.uid import uuid7

URL = 2000  # characters


class Status(models.TextChoices):
    ON = "on"
    OFF = "off"


class FeedQuerySet(models.QuerySet["Feed"]):
    def guarded_update(self, feed: "Feed", **columns: Any) -> bool:
        """Write, unless somebody else has changed the row since ``feed`` was read: the lock that every database has."""
        return self.filter(pk=feed.pk, version=feed.version).update(version=F("version") + 1, **columns) == 1


class Feed(models.Model):
    """One feed. ``version`` rises with every change but the count of subscribers."""

    Status = Status

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    version = models.BigIntegerField(default=1, editable=False)
    url = models.URLField("address", max_length=URL, unique=True)
    title = models.CharField(max_length=300, blank=True)
    site = models.CharField(max_length=URL, default="", editable=False)
    format = models.CharField(max_length=20, default="", editable=False)
    status = models.CharField(max_length=3, choices=Status, default=Status.ON)
    off_reason = models.CharField(max_length=300, default="", editable=False)
    problem = models.CharField(max_length=500, default="", editable=False)  # what the last fetch could not do
    etag = models.CharField(max_length=500, default="", editable=False)
    last_modified = models.CharField(max_length=100, default="", editable=False)
    subscribers = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    fetched_at = models.DateTimeField(null=True, editable=False)  # the last answer that was a feed, or "unchanged"
    changed_at = models.DateTimeField(null=True, editable=False)  # the last one that brought something new

    objects = FeedQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(status__in=Status.values), name="feed_status")]

    def __str__(self) -> str:
        return self.title or self.url

    @classmethod
    def locked(cls, pk: int) -> Self:
        """The row, held until the end of the transaction where the database knows row locks (SQLite ignores that)."""
        return cls.objects.select_for_update().get(pk=pk)

    def subscribe(self, user: Any) -> bool:
        """True if the user was no subscriber before. The counter moves with the row that it counts, or not at all."""
        with transaction.atomic():
            _, new = Subscription.objects.get_or_create(feed=self, user=user)
            if new:
                Feed.objects.filter(pk=self.pk).update(subscribers=F("subscribers") + 1)
        return new

    def unsubscribe(self, user: Any) -> bool:
        """True if the user was a subscriber."""
        with transaction.atomic():
            gone, _ = Subscription.objects.filter(feed=self, user=user).delete()
        return bool(gone)


class Entry(models.Model):
    """What a feed has published, once for each id it gave. ``html`` was sanitised before it was stored."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    feed = models.ForeignKey(Feed, models.CASCADE, related_name="entries", db_index=False)
    entry_id = models.CharField(max_length=500)
    digest = models.CharField(max_length=64)  # of all that the feed said of it
    title = models.CharField(max_length=500, default="")
    link = models.CharField(max_length=URL, default="")
    author = models.CharField(max_length=200, default="")
    html = models.TextField(default="")
    published_at = models.DateTimeField(null=True)
    at = models.DateTimeField()  # when it was published, first seen if that is earlier: the order of the page

    class Meta:
        constraints = [models.UniqueConstraint(fields=["feed", "entry_id"], name="feed_entry_once")]
        indexes = [models.Index("feed", models.F("at").desc(), models.F("id").desc(), name="feed_entries_shown")]

    def __str__(self) -> str:
        return self.title or self.entry_id


class Subscription(models.Model):
    """Somebody who wants to read a feed."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="subscriptions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="feed_subscriptions")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["feed", "user"], name="feed_subscription_once")]

    def __str__(self) -> str:
        return f"{self.user} → {self.feed}"


@receiver(post_delete, sender=Subscription)
def count_down(instance: Subscription, **_: Any) -> None:
    """In the transaction that deletes, also when it is the user who is deleted."""
    Feed.objects.filter(pk=instance.feed_id).update(subscribers=F("subscribers") - 1)

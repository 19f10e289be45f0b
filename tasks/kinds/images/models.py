"""Collections and their images: columns, constraints, counts. Knows nothing of files and of decoding."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDay, TruncHour
from django.utils import timezone

from tasks.engine.uid import uuid7

ALIKE = 12  # of 64 bits that may differ between an image and the reference that it matches


class Collection(models.Model):
    """Images from an uploaded archive, or from a folder below an allowed root."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(max_length=200)
    folder = models.CharField(max_length=1000, blank=True)  # empty: an archive was uploaded
    archive_name = models.CharField(max_length=255, default="", editable=False)  # as it was called, to be shown
    run = models.UUIDField(null=True, editable=False)  # the job that plans, or planned, the run that counts
    planned_at = models.DateTimeField(null=True, editable=False)  # all images of the source have rows since
    finished_at = models.DateTimeField(null=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name

    @property
    def home(self) -> Path:
        return settings.SIGNALBOX_HOME / "images" / str(self.uid)

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    def waiting(self) -> QuerySet["Image"]:
        return self.images.filter(completed_at=None)

    def finish(self) -> bool:
        """Done, if everything is. Asked after each part: whoever asks last finds that it is, however often that is."""
        open_ = Image.objects.filter(collection=models.OuterRef("pk"), completed_at=None)
        done = Collection.objects.filter(~models.Exists(open_), pk=self.pk, planned_at__isnull=False, finished_at=None)
        return done.update(finished_at=timezone.now()) == 1

    def counts(self) -> dict[str, int]:
        """What the rows say, and nothing but the rows: no counter can disagree with them."""
        images = Q(reference=False)
        done = images & Q(completed_at__isnull=False)
        return self.images.aggregate(
            total=Count("pk", filter=images),
            done=Count("pk", filter=done),
            matched=Count("pk", filter=images & Q(match__isnull=False)),
            unfit=Count("pk", filter=done & ~Q(problem="")),
            references=Count("pk", filter=Q(reference=True, problem="")),
        )

    def by(self, width: str, most: int = 48) -> list[tuple[datetime, int]]:
        """How many images were completed in each day or hour (of the reader's zone), the newest first."""
        truncated = {"day": TruncDay, "hour": TruncHour}[width]("completed_at")
        done = self.images.filter(reference=False, completed_at__isnull=False).annotate(at=truncated)
        return list(done.order_by("-at").values_list("at").annotate(n=Count("pk"))[:most])


class Image(models.Model):
    """One image of a collection, known by what it holds: the same file twice is one image."""

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="images", db_index=False)
    sha256 = models.CharField(max_length=64)
    reference = models.BooleanField(default=False)  # one that others are compared with
    path = models.CharField(max_length=1000)  # in its source; the first of several
    bytes = models.BigIntegerField()
    changed_ns = models.BigIntegerField(default=0)  # of a file in a folder: unchanged ones are not read again
    part = models.PositiveIntegerField(default=0)  # the part job that it belongs to
    tries = models.PositiveSmallIntegerField(default=0)  # times it was begun after a process had died
    format = models.CharField(max_length=10, default="")
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    hash = models.CharField(max_length=16, default="")
    match = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    distance = models.PositiveSmallIntegerField(null=True)  # to the nearest reference, whether it matches or not
    problem = models.CharField(max_length=300, default="")  # why it could not be compared
    completed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "sha256", "reference"], name="image_once"),
        ]
        indexes = [
            models.Index("collection", "part", name="image_waiting", condition=Q(completed_at=None)),
            models.Index(
                "collection", "completed_at", "id", name="image_done", condition=Q(completed_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.path

    def complete(self, **found: Any) -> bool:
        """Count it, unless another process has: True for the one that did."""
        waiting = Image.objects.filter(pk=self.pk, completed_at=None)
        return waiting.update(completed_at=timezone.now(), **found) == 1

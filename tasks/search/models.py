"""Which jobs a bulk action has changed, so that one can see what became of them."""

from django.db import models

from tasks.engine.models import Job


class BulkPart(models.Model):
    """One job that the bulk action ``bulk`` (the id of its job) has cancelled, retried or put back."""

    bulk = models.UUIDField()
    job = models.ForeignKey(Job, models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bulk", "job"], name="bulk_part_once")]

    def __str__(self) -> str:
        return f"{self.job_id} of {self.bulk}"

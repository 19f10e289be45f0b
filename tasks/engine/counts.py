"""The tables of counts from which charts are drawn: how many jobs ended in each minute and in each bar."""

from django.db import models

from tasks.engine.ordered_json import ReadableJSONField


class Counted(models.Model):
    """Counts of jobs that finished in a period, by kind and outcome. They can be counted again from the rows."""

    at = models.DateTimeField()
    kind = models.CharField(max_length=200)
    outcome = models.CharField(max_length=9)
    n = models.IntegerField(default=0)
    waiting = ReadableJSONField(default=list)  # counts by bucket of tasks.queries.stats.EDGES
    running = ReadableJSONField(default=list)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.at} {self.kind} {self.outcome}"


class Minute(Counted):
    """One minute, from rows of jobs."""

    queue = models.CharField(max_length=100)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["at", "kind", "queue", "outcome"], name="minute_once")]


class Bar(Counted):
    """One bar of a chart that is over, from its minutes: a long chart reads as many rows as a short one."""

    minutes = models.SmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["minutes", "at", "kind", "outcome"], name="bar_once")]

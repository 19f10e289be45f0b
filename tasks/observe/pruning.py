"""Keeps the rows of watched tasks within an age and a number: the oldest successes go first.

The observer's one thread deletes a little each second, so that rows are written meanwhile, and as many as may come.
"""

import time
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from tasks.engine.models import Job

EVERY_S = 1.0
COUNT_S = 30.0  # between two counts of all rows
AT_ONCE = 500  # rows of one transaction
LONGEST_S = 0.3  # of one visit: what is left waits for the next
ENDED = ("succeeded", "failed", "cancelled", "unknown")


class Pruner:
    """Deletes what is too old or too much of one application, some at each visit."""

    def __init__(self, app: str) -> None:
        self.app = app
        self.counted: float | None = None
        self.over = 0  # rows that are too many
        self.after: dict[tuple[str, ...], int] = {}  # states → up to which key none of them is left

    def visit(self) -> int:
        """Returns how many rows were deleted."""
        now = time.monotonic()
        until = now + LONGEST_S
        if self.counted is None or now - self.counted >= COUNT_S:
            self.counted, self.after = now, {}
            self.over = Job.every.filter(app=self.app).count() - most()
        old = timezone.now() - timedelta(days=settings.SIGNALBOX_KEEP_WATCHED_D)
        gone = 0
        aged = Job.every.filter(app=self.app, finished_at__lt=old).order_by("finished_at")
        while time.monotonic() < until and (ids := list(aged.values_list("pk", flat=True)[:AT_ONCE])):
            gone += self._delete(ids)
        for states in (("succeeded",), ENDED):
            ended = Job.every.filter(app=self.app, state__in=states).order_by("id")
            while self.over > 0 and time.monotonic() < until:
                some = ended.filter(pk__gt=self.after.get(states, 0)).values_list("pk", flat=True)
                ids = list(some[: min(AT_ONCE, self.over)])
                if not ids:
                    break
                gone += self._delete(ids)
                self.after[states] = ids[-1]  # else each search would pass again what is kept before it
        return gone

    def _delete(self, ids: list[int]) -> int:
        """With all that belongs to them. The ORM would read the rows first, which takes three times as long."""
        with transaction.atomic():
            for model, name in _belongings():
                model._base_manager.filter(**{f"{name}__in": ids})._raw_delete(connection.alias)
            Job.every.filter(pk__in=ids)._raw_delete(connection.alias)
        self.over -= len(ids)
        return len(ids)


def most() -> int:
    """Rows that one application may have: all share SIGNALBOX_KEEP_WATCHED."""
    return settings.SIGNALBOX_KEEP_WATCHED // max(1, len(settings.SIGNALBOX_OBSERVE))


@cache
def _belongings() -> tuple[tuple[type[Model], str], ...]:
    """Models whose rows go with their job, and by which field."""
    relations = (each for each in Job._meta.get_fields(include_hidden=True) if each.auto_created and not each.concrete)
    return tuple((each.related_model, each.field.name) for each in relations if each.related_model._meta.managed)

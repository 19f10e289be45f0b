"""Keeps the rows of watched tasks within an age and a number: the oldest successes go first."""

import time
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from tasks.engine.models import Job

EVERY_S = 30.0
AT_ONCE = 500  # rows of one transaction
LONGEST_S = 2.0  # of one visit: what is left waits for the next
ENDED = ("succeeded", "failed", "cancelled", "unknown")


def prune(app: str) -> int:
    """Delete what is too old or too much of one application; returns how many rows."""
    until = time.monotonic() + LONGEST_S
    old = timezone.now() - timedelta(days=settings.SIGNALBOX_KEEP_WATCHED_D)
    gone = _delete(Job.every.filter(app=app, finished_at__lt=old).order_by("finished_at"), until, None)
    over = Job.every.filter(app=app).count() - most()
    for states in (("succeeded",), ENDED):
        if over > 0 and time.monotonic() < until:
            done = _delete(Job.every.filter(app=app, state__in=states).order_by("id"), until, over)
            gone, over = gone + done, over - done
    return gone


def most() -> int:
    """Rows that one application may have: all share SIGNALBOX_KEEP_WATCHED."""
    return settings.SIGNALBOX_KEEP_WATCHED // max(1, len(settings.SIGNALBOX_OBSERVE))


def _delete(rows: QuerySet[Job], until: float, most: int | None) -> int:
    count = 0
    while time.monotonic() < until and (most is None or count < most):
        some = AT_ONCE if most is None else min(AT_ONCE, most - count)
        ids = list(rows.values_list("pk", flat=True)[:some])
        if not ids:
            break
        with transaction.atomic():
            Job.every.filter(pk__in=ids).delete()
        count += len(ids)
    return count

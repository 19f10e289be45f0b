"""Writes of a running attempt: progress, log lines and ``Job.beat``. Each answers whether a cancel was requested.

Nothing here moves a job. ``tasks.engine.lifecycle`` does, and guards the end of an attempt by the same fencing token.
"""

from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F

from tasks.engine import attempts, notify
from tasks.engine.models import Job, State
from tasks.engine.transition import move, retry_on_lock

HELD = "uid = %s AND attempt = %s AND state = 'running'"  # the fencing token: true for the attempt that holds the job


class Heard(NamedTuple):
    """What a running attempt learns when it writes."""

    cancel_requested: bool


@retry_on_lock
def flush(job: Job, news: Any) -> Heard | None:
    """Write progress and log lines of a running attempt. None: the attempt does not hold the job any more."""
    with transaction.atomic():
        moved = move(attempts.progress_columns(news), HELD, [job.uid, job.attempt])
        if moved:
            attempts.write_lines(job, news.lines)
    notify.push_changes(moved)
    return Heard(moved[0].cancel_requested_at is not None) if moved else None


@retry_on_lock
def beat(job: Job) -> Heard | None:
    """Raise ``Job.beat``. Neither ``version`` nor browsers change: only the reaper reads this column."""
    held = Job.objects.filter(uid=job.uid, attempt=job.attempt, state=State.RUNNING)
    return hear(job) if held.update(beat=F("beat") + 1) else None


@retry_on_lock
def hear(job: Job) -> Heard | None:
    """Read whether the attempt still holds its job, and whether somebody wants it to stop."""
    asked = Job.objects.filter(pk=job.pk, attempt=job.attempt, state=State.RUNNING).values_list("cancel_requested_at")
    return Heard(asked[0][0] is not None) if asked else None

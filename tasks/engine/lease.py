"""Writes of a running attempt: progress, log lines and ``Job.beat``. Each answers whether a cancel was requested.

Nothing here moves a job. ``tasks.engine.lifecycle`` does, and guards the end of an attempt by the same fencing token.
"""

from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F

from tasks.engine import attempts, notify
from tasks.engine.models import Job, State
from tasks.engine.transition import move, retry_on_lock

HELD = "id = %s AND attempt = %s AND state = 'running'"  # the fencing token: true for the attempt that holds the job


TERMINATE = "revoked with terminate"  # the reason of a cancel that does not wait for the job


class CancelRequest(NamedTuple):
    """What a running attempt learns when it writes: whether it shall stop, and whether at once."""

    cancel_requested: bool
    at_once: bool = False


@retry_on_lock
def flush(job: Job, news: Any) -> CancelRequest | None:
    """Write progress and log lines of a running attempt. None: the attempt does not hold the job any more."""
    with transaction.atomic():
        moved = move(attempts.progress_columns(news), HELD, [job.pk, job.attempt])
        if moved:
            attempts.write_lines(job, news.lines)
    notify.push_changes(moved)
    return _cancel_request(moved[0].cancel_requested_at, moved[0].cancel_reason) if moved else None


@retry_on_lock
def beat(job: Job) -> CancelRequest | None:
    """Raise ``Job.beat``. Neither ``version`` nor browsers change: only the reaper reads this column."""
    held = Job.objects.filter(pk=job.pk, attempt=job.attempt, state=State.RUNNING)
    return read_cancel(job) if held.update(beat=F("beat") + 1) else None


@retry_on_lock
def read_cancel(job: Job) -> CancelRequest | None:
    """Read whether the attempt still holds its job, and whether somebody wants it to stop."""
    columns = "cancel_requested_at", "cancel_reason"
    asked = Job.objects.filter(pk=job.pk, attempt=job.attempt, state=State.RUNNING).values_list(*columns)
    return _cancel_request(*asked[0]) if asked else None


def _cancel_request(cancel_requested_at: Any, reason: str) -> CancelRequest:
    return CancelRequest(cancel_requested_at is not None, reason == TERMINATE)

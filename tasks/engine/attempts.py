"""Rows written when an attempt ends, in the transaction of the move: the attempt, its log lines, the ending."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tasks.engine.errors import Failure
from tasks.engine.models import Attempt, Ending, Job, LogLine, Outcome, State


def fence(job: Job, outcome: Outcome) -> None:
    """Mark an attempt as fenced: it was recorded as lost, but ran on and ends only now."""
    if outcome != Outcome.LOST:
        Attempt.objects.filter(job_id=job.pk, number=job.attempt, outcome=Outcome.LOST).update(outcome=Outcome.FENCED)


def write_attempt(job: Job, outcome: Outcome, failure: Failure | None) -> None:
    queued_again = job.state == State.QUEUED
    Attempt.objects.create(
        job_id=job.pk,
        number=job.attempt,
        worker=job.worker,
        release=job.release,
        started_at=job.started_at,
        finished_at=job.finished_at or (job.queued_at if queued_again else max(datetime.now(UTC), job.started_at)),
        outcome=outcome,
        error=failure.error if failure else "",
        traceback=failure.traceback if failure else "",
    )


def write_endings(jobs: Iterable[Job]) -> None:
    """Insert an Ending for each of these jobs that has just failed or been cancelled."""
    ended = [job for job in jobs if job.state in Ending.STATES]
    if ended:
        Ending.objects.bulk_create([_ending(job) for job in ended], batch_size=500)


def _ending(job: Job) -> Ending:
    queued = job.queued_at or job.created_at
    started = job.started_at if job.started_at and job.started_at >= queued else None  # not of an attempt before
    return Ending(
        job_id=job.pk,
        state=job.state,
        at=job.finished_at,
        kind=job.kind,
        queue=job.queue,
        queued_at=queued,
        started_at=started,
    )


def write_lines(job: Job, lines: Iterable[Any]) -> None:
    """Lines that are there already stay: they come again when the answer to a commit was lost."""
    rows = [LogLine(job_id=job.pk, **line._asdict()) for line in lines]
    LogLine.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)


def progress_columns(news: Any) -> dict[str, Any]:
    return {
        "progress_done": news.done,
        "progress_total": news.total,
        "progress_note": news.note,
        "log_seq": news.log_seq,
        **({"headers": news.headers} if news.headers else {}),
    }


def error_columns(failure: Failure) -> dict[str, Any]:
    return {"error": failure.error, "traceback": failure.traceback, "error_key": failure.key}

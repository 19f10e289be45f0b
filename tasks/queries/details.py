"""Queries of one whole job, our own or a watched task: detail, log, and what people did to it. Read-only, bounded."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from tasks.access.models import Entry
from tasks.engine import registry
from tasks.engine.models import Job, LogLine, instant

LINES, ENTRIES = 500, 50


def detail(
    job: Job | UUID | str, after: int | None = None, lines: int = LINES, *, people: bool = False
) -> dict[str, Any] | None:
    """A whole job: its summary, ``params``, ``result``, ``attempts`` and ``log``; None when there is no such job.

    The log is its last lines; or, with ``after``, the first ones that follow that number. ``people``: ``trail`` too.
    """
    if not isinstance(job, Job):
        job = Job.every.select_related("owner").filter(uid=job).first()
    if job is None:
        return None
    return job.summary() | {
        "params": registry.in_order(job.kind, job.params),
        "result": job.result,
        "attempts": job.attempt_list(),
        **({"trail": trail(job)} if people else {}),
        "log": log_end(job, lines) if after is None else log_after(job, after, lines),
    }


def trail(job: Job) -> list[dict[str, Any]]:
    """What people did to a job, oldest first: ``at, who, action, note``. Address and token are for admins only.

    A cancel by a bulk action or a schedule has no audit entry for this job, so it is read from the job's row.
    """
    entries = list(Entry.objects.done_to(job.uid).order_by("-id")[:ENTRIES])[::-1]
    activity = [entry.activity() for entry in entries]
    asked = job.cancel_requested_at
    if asked and not any(entry.action == "cancel" and entry.at >= asked for entry in entries):
        who = job.cancel_requested_by and job.cancel_requested_by.get_username()
        activity.append({"at": instant(asked), "who": who, "action": "cancel", "note": job.cancel_reason})
    return activity


def log_after(job: Job | UUID | str, seq: int, limit: int = LINES) -> list[dict[str, Any]]:
    """The first log lines after a number: ``seq, at, level, text``."""
    return [line.to_dict() for line in _log(job).filter(seq__gt=seq).order_by("seq")[:limit]]


def log_end(job: Job | UUID | str, limit: int = LINES) -> list[dict[str, Any]]:
    """The last log lines, oldest first."""
    return [line.to_dict() for line in _log(job).order_by("-seq")[:limit]][::-1]


def _log(job: Job | UUID | str) -> QuerySet[LogLine]:
    return LogLine.objects.filter(job=job) if isinstance(job, Job) else LogLine.objects.filter(job__uid=job)

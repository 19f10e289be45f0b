"""The one writer of watched states: makes rows of jobs from what is known of tasks, in guarded batches.

A row is written only over an older version of the same task of the same application. An id that is no UUID, or that
belongs to somebody else's row, is stored under an id made from application and id.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models import JSONField

from tasks.engine import notify, sealing, storable
from tasks.engine.attempts import write_endings
from tasks.engine.errors import pattern
from tasks.engine.models import Attempt as AttemptRow
from tasks.engine.models import Ending, Job, Outcome, State
from tasks.engine.transition import retry_on_lock
from tasks.observe import counting
from tasks.observe.fold import FINAL, Attempt, Process, Task, View, view
from tasks.observe.redaction import redact, redact_text
from tasks.webhooks import outbox

SPACE = UUID("6f2f4e0e-6a4c-5a57-9c0d-4d1c7a5b1f60")
AT_ONCE = 200  # rows of one statement
KEPT = ("id", "uid", "app", "created_at", "owner", "cancel_requested_at", "cancel_requested_by", "cancel_reason",
        "copy_of")  # columns that a later version of a row leaves as they are  # fmt: skip
OUTCOMES = {
    "succeeded": Outcome.SUCCEEDED, "failed": Outcome.FAILED, "retrying": Outcome.RETRYING,
    "cancelled": Outcome.CANCELLED, "requeued": Outcome.RELEASED,
}  # fmt: skip


NAMED = re.compile(r"'([A-Za-z_]\w{0,60})': ")  # the name of a keyword argument in the text of all of them
SPOKEN = re.compile(r"(?P<name>[\w.]+)\((?P<q>['\"])(?P<text>.*)(?P=q),?\)", re.DOTALL)  # the repr of an exception


@dataclass(slots=True)
class Entry:
    """A task in memory, and what its row is. ``version`` only rises, over restarts of the observer too."""

    task: Task
    uid: UUID
    version: int = 0
    stage: str = ""  # the state that its row has
    process: Process | None = None  # of the newest attempt, while it has not ended
    copy_of: UUID | None = None
    moved: bool = False  # its own id belongs to somebody else's row


def uid_of(app: str, task: str, own: bool = True) -> UUID:
    """The id of a task's row. ``own``: its own id, if that is a UUID as Celery writes it."""
    if own:
        try:
            if str(found := UUID(task)) == task:
                return found
        except ValueError:
            pass
    return uuid5(SPACE, f"{app}/{task}")


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def place(app: str, name: str, limit: int) -> str:
    """The name of a queue or a worker of a watched application, as rows hold it."""
    return f"{app}:{name}"[:limit] if name else ""


@retry_on_lock
def write(app: str, entries: Sequence[Entry]) -> int:
    """Write the rows of these tasks; returns how many rows changed. All or none of a batch of AT_ONCE."""
    changed = 0
    for start in range(0, len(entries), AT_ONCE):
        some = entries[start : start + AT_ONCE]
        with transaction.atomic():
            written = _upsert(app, some)
            strangers = [entry for entry in some if entry.uid not in written]
            if strangers:
                written |= _elsewhere(app, strangers)
            _write_beside(written)
            jobs = [job for job, _, _ in written.values()]
            notify.push_changes(jobs)
        for job, entry, shown in written.values():
            newest = shown.newest if shown.newest and shown.newest.ended is None else None
            entry.version, entry.stage, entry.process = job.version, shown.stage, newest and newest.process
        changed += len(written)
    return changed


def _upsert(app: str, entries: Iterable[Entry]) -> dict[UUID, tuple[Job, Entry, View]]:
    """Insert or update. Only what was written is returned, with the keys of the rows."""
    wanted = {}
    for entry in entries:
        shown = view(entry.task)
        wanted[entry.uid] = (row_of(app, entry, shown), entry, shown)
    if not wanted:
        return {}
    fields = _fields()
    values = [_adapted(field, getattr(job, field.attname)) for job, _, _ in wanted.values() for field in fields]
    one = f"({', '.join(['%s'] * len(fields))})"
    with connection.cursor() as cursor:
        cursor.execute(f"{_sql()[0]}{', '.join([one] * len(wanted))}{_sql()[1]}", values)
        found = cursor.fetchall()
    written = {}
    for uid, pk in found:
        key = uid if isinstance(uid, UUID) else UUID(uid)
        wanted[key][0].pk = pk
        written[key] = wanted[key]
    return written


def _adapted(field: Any, value: Any) -> Any:
    """A value as the driver wants it. Most are so already, and Django's own way takes as long as the database."""
    if value is None or type(value) is str or type(value) is int:
        return json.dumps(value) if value is not None and isinstance(field, JSONField) else value
    return field.get_db_prep_save(value, connections[connection.alias])


@cache
def _fields() -> list[Any]:
    return [field for field in Job._meta.concrete_fields if field.name != "id"]


@cache
def _sql() -> tuple[str, str]:
    columns = [field.column for field in _fields()]
    sets = ", ".join(f"{field.column} = excluded.{field.column}" for field in _fields() if field.name not in KEPT)
    return (
        f"INSERT INTO tasks_job ({', '.join(columns)}) VALUES ",  # noqa: S608 - names of columns
        f" ON CONFLICT (uid) DO UPDATE SET {sets}"
        " WHERE tasks_job.app = excluded.app AND excluded.version > tasks_job.version RETURNING uid, id",
    )


def _elsewhere(app: str, entries: list[Entry]) -> dict[UUID, tuple[Job, Entry, View]]:
    """Tasks whose id is a row of somebody else get an id of their own. The others are older than their rows."""
    others = set(
        Job.every.filter(uid__in=[entry.uid for entry in entries]).exclude(app=app).values_list("uid", flat=True)
    )
    moved = [entry for entry in entries if entry.uid in others and not entry.moved]
    for entry in moved:
        entry.uid, entry.moved = uid_of(app, entry.task.id, own=False), True
    return _upsert(app, moved)


def row_of(app: str, entry: Entry, shown: View) -> Job:
    """The row that says what is known of a task."""
    task, newest = entry.task, shown.newest
    entry.version = max(entry.version + 1, time.time_ns() // 1000)
    facts = newest.facts if newest else {}
    ended = shown.stage in FINAL
    error, trace = _error(task, shown, facts)
    seen = [each for each in (task.born, newest and shown.attempts[0].at, task.arrived) if each]
    created = task.born or (shown.attempts[0].at if shown.attempts else None) or min(seen, default=time.time())
    task.born = created
    params, sealed = arguments(task)
    worker = newest.process[0] if newest and shown.stage != "retrying" else ""
    return Job(
        uid=entry.uid,
        app=app,
        task_id=storable.text(task.id, 255),
        state=State(shown.stage).value,
        version=entry.version,
        attempt=number_of(shown),
        max_attempts=max(1, number_of(shown)),
        kind=storable.text(task.name, 200) or "(name not known)",
        queue=place(app, storable.text(task.queue or task.served, 100), 100) or f"{app}:",
        priority=5 if task.priority is None else max(0, min(9, task.priority)),
        params=params,
        secrets=sealed,
        title=title(params),
        result=_result(task, shown, facts),
        error=error,
        traceback=trace,
        error_key=_key(error, trace),
        due_at=None if ended else moment(shown.due),
        expires_at=moment(task.expires),
        queued_at=moment(shown.queued),
        created_at=moment(created),
        started_at=moment(shown.started),
        finished_at=moment(shown.finished or time.time()) if ended else None,
        worker=place(app, storable.text(worker, 150), 200),
        pid=newest.process[1] % 2**31 if newest else None,
        parent=uid_of(app, task.parent) if task.parent else None,
        root=uid_of(app, task.root) if task.root and task.root != task.id else None,
        doubt_at=None if ended else moment(task.doubt),
        basis=shown.basis,
        headers=_facts(task, shown, facts),
        copy_of=entry.copy_of,
    )


def number_of(shown: View) -> int:
    """The number of the newest attempt that began."""
    begun = [number for number, each in numbered(shown.attempts) if each.started is not None or each.ended is not None]
    return begun[-1] if begun else 0


def numbered(found: Iterable[Attempt]) -> list[tuple[int, Attempt]]:
    """Attempts with their numbers from 1; a message that came twice makes two of them."""
    last, result = 0, []
    for each in found:
        last = max(last + 1, (each.n or 0) + 1)
        result.append((last, each))
    return result


def arguments(task: Task) -> tuple[dict[str, Any], str]:
    """The arguments as they are shown, and sealed as they are if that differs."""
    words = settings.SIGNALBOX_OBSERVE_REDACT
    if task.real is None:
        shown = {name: redact_text(storable.text(text, 64 * 1024), words)
                 for name, text in (("args", task.args), ("kwargs", task.kwargs)) if text}  # fmt: skip
        return shown, ""
    real = {"args": task.real[0], "kwargs": task.real[1]}
    shown = storable.result(redact(real, words))
    return (shown, "") if shown == real else (shown, sealing.seal({"real": real}))


def title(params: dict[str, Any]) -> str:
    """The arguments in one line."""
    args, kwargs = params.get("args"), params.get("kwargs")
    parts = []
    if isinstance(args, list):
        parts = [_short(each) for each in args]
        parts += [f"{name}={_short(each)}" for name, each in (kwargs or {}).items()]
    else:
        texts = [args, NAMED.sub(r"\1=", kwargs) if isinstance(kwargs, str) else kwargs]
        parts = [text.strip("()[]{}").rstrip(",") for text in texts if text not in (None, "()", "{}", "[]")]
    return storable.text(" ".join(", ".join(filter(None, parts)).split()), 120)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _result(task: Task, shown: View, facts: dict[str, Any]) -> Any:
    words = settings.SIGNALBOX_OBSERVE_REDACT
    if shown.stage != "succeeded":
        return None
    if task.result and task.result.get("status") == "SUCCESS":
        return storable.result(redact(task.result.get("result"), words))
    text = facts.get("result")
    return redact_text(storable.text(text, 64 * 1024), words) if isinstance(text, str) else None


def _error(task: Task, shown: View, facts: dict[str, Any]) -> tuple[str, str]:
    """The error in one line, and the traceback. The exception's text is useless when a process died: then the last
    line of the traceback has it."""
    words = settings.SIGNALBOX_OBSERVE_REDACT
    trace = facts.get("traceback") or (task.result or {}).get("traceback") or ""
    trace = redact_text(storable.text(trace if isinstance(trace, str) else "", 60_000), words)
    error = facts.get("exception") or ""
    last = trace.strip().rpartition("\n")[2].strip()
    if last and (not error or shown.stage == "failed"):
        error = last
    elif spoken := SPOKEN.fullmatch(error):
        error = f"{spoken['name']}: {spoken['text']}"
    match shown.stage:
        case "failed" | "retrying":
            error = error or ("It was rejected." if shown.stage == "failed" and not trace else "")
        case "cancelled":
            error = "It expired before it ran." if facts.get("expired") else "It was revoked."
            error = "It was terminated." if facts.get("terminated") else error
        case "unknown":
            error = task.note or "It ended without saying how, or was lost: no worker, queue or result knows it."
        case _:
            return "", ""
    return redact_text(storable.text(error, 2_000), words), trace


def _key(error: str, trace: str) -> str:
    return hashlib.sha256(pattern(error).encode(errors="replace")).hexdigest()[:32] if error else ""


def _facts(task: Task, shown: View, facts: dict[str, Any]) -> dict[str, Any]:
    """What the job's page says beside the columns, and what a restart needs."""
    newest = shown.newest
    found: dict[str, Any] = {"arguments": task.real_by or ("text" if task.args or task.kwargs else "")}
    if newest:
        found["retries"] = newest.n or 0
        if newest.started is None and newest.ended is None:
            found["held_by"] = newest.process[0]
        if isinstance(facts.get("runtime"), float):
            found["runtime_s"] = round(facts["runtime"], 6)
    if task.served and not task.queue:
        found["queue"] = "served"
    if task.note:
        found["note"] = task.note
    return found


def _write_beside(written: dict[UUID, tuple[Job, Entry, View]]) -> None:
    """The attempts that ended otherwise than well, and the endings that charts count."""
    rows = []
    for job, _, shown in written.values():
        pairs = numbered(shown.attempts)
        for at, (number, attempt) in enumerate(pairs):
            last = at == len(pairs) - 1
            if (attempt.ended is None and last) or (attempt.how == "succeeded" and last):
                continue
            error, trace = _attempt_error(job, attempt, last)
            rows.append(
                AttemptRow(
                    job_id=job.pk,
                    number=number,
                    worker=place(job.app, storable.text(attempt.process[0], 150), 200),
                    started_at=moment(attempt.started),
                    finished_at=moment(attempt.ended or pairs[min(at + 1, len(pairs) - 1)][1].at),
                    outcome=_outcome(attempt, pairs[at + 1][1] if not last else None),
                    error=error,
                    traceback=trace,
                )
            )
    if rows:
        AttemptRow.objects.bulk_create(
            rows, 200, update_conflicts=True, unique_fields=["job", "number"],
            update_fields=["worker", "started_at", "finished_at", "outcome", "error", "traceback"],
        )  # fmt: skip
    changed = [job for job, entry, shown in written.values() if entry.stage != shown.stage]
    counting.add(changed)
    ended = [job for job in changed if job.state in Ending.STATES]
    if ended:
        known = set(Ending.objects.filter(job_id__in=[job.pk for job in ended]).values_list("job_id", "state", "at"))
        fresh = [job for job in ended if (job.pk, str(job.state), job.finished_at) not in known]
        write_endings(fresh)
    outbox.queue_deliveries(changed)  # to webhooks that name this application


def _outcome(attempt: Attempt, after: Attempt | None) -> Outcome:
    """An attempt that another with more retries follows was retried, though nobody heard so; else it was lost."""
    if attempt.ended is None and after is not None and (after.n or 0) > (attempt.n or 0):
        return Outcome.RETRYING
    return OUTCOMES.get(attempt.how, Outcome.LOST)


def _attempt_error(job: Job, attempt: Attempt, last: bool) -> tuple[str, str]:
    if last:
        return job.error, job.traceback
    if attempt.ended is None:
        return "Its worker never said how it ended.", ""
    task, shown = Task(job.task_id), View(attempt.how, [attempt], attempt, None, None, None, None, "event")
    return _error(task, shown, attempt.facts) if attempt.how in ("failed", "retrying", "cancelled") else ("", "")

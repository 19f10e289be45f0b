"""The rows of watched tasks: what the columns of a job say of what is known of a task.

An id that is no UUID, or that belongs to somebody else's row, is stored under an id made from application and id.
Secrets are masked here, before anything is stored.
"""

import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings

from tasks.engine import bulk_insert, sealing, storable
from tasks.engine.errors import pattern
from tasks.engine.models import Job
from tasks.observe.counting import Ended
from tasks.observe.fold import FINAL, Attempt, Process, Task, View
from tasks.observe.redaction import redact, redact_text

SENT = (
    "uid", "app", "task_id", "state", "version", "attempt", "max_attempts", "kind", "queue", "priority", "params",
    "secrets", "title", "result", "error", "traceback", "error_key", "due_at", "expires_at", "queued_at", "created_at",
    "started_at", "finished_at", "worker", "pid", "parent", "root", "doubt_at", "basis", "headers", "copy_of",
)  # fmt: skip
SPACE = UUID("6f2f4e0e-6a4c-5a57-9c0d-4d1c7a5b1f60")
MOST_BEFORE = 3  # attempts before the newest that a row remembers as not ended
NAMED = re.compile(r"'([A-Za-z_]\w{0,60})': ")  # the name of a keyword argument in the text of all of them
SPOKEN = re.compile(r"(?P<name>[\w.]+)\((?P<q>['\"])(?P<text>.*)(?P=q),?\)", re.DOTALL)  # the repr of an exception


@dataclass(slots=True)
class Entry:
    """A task in memory, and what its row is. ``version`` only rises, over restarts of the observer too."""

    task: Task
    uid: UUID
    version: int = 0
    stage: str = ""  # the state that its row has
    counted: Ended | None = None  # as what it stands in the charts
    process: Process | None = None  # of the newest attempt, while it has not ended
    copy_of: UUID | None = None
    found: tuple[Process, int] | None = None  # where its start was counted as seen, and at which clock, from its result
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


def row_of(app: str, entry: Entry, shown: View) -> Job:
    """The row that says what is known of a task."""
    task, newest = entry.task, shown.newest
    entry.version = max(entry.version + 1, time.time_ns() // 1000)
    facts = newest.facts if newest else {}
    ended = shown.stage in FINAL
    error, trace = error_of(task, shown, facts)
    seen = [each for each in (task.born, newest and shown.attempts[0].at, task.arrived) if each]
    created = task.born or (shown.attempts[0].at if shown.attempts else None) or min(seen, default=time.time())
    task.born = created
    params, sealed = arguments(task)
    worker = newest.process[0] if newest and shown.stage != "retrying" else ""
    job = bulk_insert.make(
        uid=entry.uid,
        app=app,
        task_id=storable.text(task.id, 255),
        state=shown.stage,
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
    job._owner_name = None  # nobody owns it, so nothing is read for its summary
    return job


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
    if shown.stage != "succeeded":
        return None
    words = settings.SIGNALBOX_OBSERVE_REDACT
    if task.result and task.result.get("status") == "SUCCESS":
        return storable.result(redact(task.result.get("result"), words))
    text = facts.get("result")
    return redact_text(storable.text(text, 64 * 1024), words) if isinstance(text, str) else None


def error_of(task: Task, shown: View, facts: dict[str, Any]) -> tuple[str, str]:
    """The error in one line, and the traceback. The exception's text is useless when a process died: then the last
    line of the traceback has it."""
    if shown.stage not in ("failed", "retrying", "cancelled", "unknown"):
        return "", ""
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
    return redact_text(storable.text(error, 2_000), words), trace


def _key(error: str, trace: str) -> str:
    return hashlib.sha256(pattern(error).encode(errors="replace")).hexdigest()[:32] if error else ""


def _before(shown: View) -> list[Attempt]:
    """Of an open row the attempts that its columns do not hold, and of which more may be said: the end, or the next."""
    if shown.stage in FINAL:
        return []
    begun = [each for each in shown.attempts if each.started is not None or each.ended is not None]
    last = begun[-1] if begun and begun[-1].how == "retrying" else None
    return [each for each in shown.attempts if each is last or (each.ended is None and each is not shown.newest)]


def _facts(task: Task, shown: View, facts: dict[str, Any]) -> dict[str, Any]:
    """What the job's page says beside the columns, and what a restart needs."""
    newest = shown.newest
    found: dict[str, Any] = {}
    if task.note:
        found["note"] = task.note
    if task.served and not task.queue:
        found["queue"] = "served"
    if before := _before(shown):
        found["before"] = [[*each.process, each.n, each.at, each.started, each.ended] for each in before[-MOST_BEFORE:]]
    if newest and newest.started is None and newest.ended is None:
        found["held_by"] = newest.process[0]
    if newest:
        found["retries"] = newest.n or 0
    found["arguments"] = task.real_by or ("text" if task.args or task.kwargs else "")
    if newest and isinstance(facts.get("runtime"), float):
        found["runtime_s"] = round(facts["runtime"], 6)
    return found  # in the order that jsonb keeps, so that PostgreSQL needs no second copy of it

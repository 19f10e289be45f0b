"""Makes a task's state from what is known of it: evidence, then attempts, then the state.

Pure. The events of one worker process about a task are kept in the order of that process's own clock, so what comes
late, twice or in another order changes nothing in the end. A task's attempts follow from them, and its state is that of
the newest attempt. What a look at workers, queues and results found (``tasks.observe.looks``) is evidence as well.
"""

from bisect import insort
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tasks.observe.events import Event

Process = tuple[str, int]  # a worker's name, and the id of its main process
LATEST = 253_402_300_000  # seconds: the end of the year 9999, after which Python has no dates
MOST_MARKS = 120  # events of one process about one task; of more than that the oldest are forgotten
ROUNDED_S = 2e-6  # a moment in a row may differ by so much from the same moment in an event
ENDS = {
    "succeeded": "succeeded",
    "failed": "failed",
    "retried": "retrying",
    "rejected": "failed",
    "revoked": "cancelled",
}
DESCRIBING = {"name": "name", "args": "args", "kwargs": "kwargs", "root_id": "root", "parent_id": "parent"}
OF_ALL_ATTEMPTS = frozenset({*DESCRIBING, "retries"})  # a mark does not keep them
FINAL = frozenset({"succeeded", "failed", "cancelled", "unknown"})
OPEN = frozenset({"scheduled", "queued", "running", "retrying"})


class Mark(NamedTuple):
    """One event of one worker process about a task, without what the task's own fields hold."""

    clock: int
    kind: str  # received, started, succeeded, failed, retried, rejected, revoked
    at: float
    n: int | None  # of what was received: how many retries came before
    facts: dict[str, Any]
    by: str  # event, inspect; or what a row says

    def order(self) -> tuple[int, float, str]:
        return self.clock, self.at, self.kind


@dataclass(slots=True)
class Attempt:
    """One attempt, as far as it is known. Times in seconds since 1970."""

    process: Process
    n: int | None = None  # retries before it
    received: float | None = None
    eta: float | None = None
    started: float | None = None
    ended: float | None = None
    how: str = ""  # an end of ENDS, or "requeued"
    facts: dict[str, Any] = field(default_factory=dict)
    by: str = "event"
    start_by: str = ""

    @property
    def at(self) -> float:
        return next(each for each in (self.received, self.started, self.ended, 0.0) if each is not None)


@dataclass(slots=True)
class Waiting:
    """That a message for attempt ``n`` was sent, or was found in a queue. Times in seconds."""

    n: int
    at: float
    eta: float | None
    by: str  # event, queue


@dataclass(slots=True)
class Task:
    """All that is known of one task. ``known_until``: what its row says already; older events change nothing."""

    id: str
    name: str = ""
    queue: str = ""
    served: str = ""  # the only queue that a worker of it consumes, when nobody has said its own
    args: str = ""  # the sender's text, perhaps cut
    kwargs: str = ""
    real: tuple[list[Any], dict[str, Any]] | None = None
    real_by: str = ""  # message, inspect, result
    root: str = ""
    parent: str = ""
    expires: float | None = None
    priority: int | None = None
    born: float | None = None
    marks: dict[Process, list[Mark]] = field(default_factory=dict)
    waiting: Waiting | None = None
    known_until: float = 0.0
    doubt: float | None = None  # since when nobody has confirmed it
    missing: list[float] = field(default_factory=list)  # looks that did not find it
    gone: bool = False  # it is nowhere, and nobody said how it ended
    back: float | None = None  # its message is in a queue again since then, although an attempt had begun
    result: dict[str, Any] | None = None  # what the result backend says: status, result, traceback, at
    note: str = ""
    arrived: float = 0.0  # our own clock, when the newest evidence came


@dataclass(slots=True)
class View:
    """What a task's row shows."""

    stage: str  # the state that its row has
    attempts: list[Attempt]
    newest: Attempt | None
    queued: float | None
    started: float | None
    finished: float | None
    due: float | None
    basis: str


def epoch(text: Any) -> float | None:
    """Seconds since 1970 of a time in ISO 8601 as Celery writes it; without a zone it is UTC. None: it is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return found if 0 < found < LATEST else None


def apply(task: Task, event: Event, at: float | None = None) -> bool:
    """Add an event to what is known. False: it says nothing new. ``at``: its time, if the sender's clock is wrong."""
    moment = event.at if at is None else at
    facts, kind = event.facts, event.kind.removeprefix("task-")
    if kind == "sent":
        changed = describe(task, facts, ("queue",))
        return send(task, Waiting(facts.get("retries", 0), moment, epoch(facts.get("eta")), "event"), moment) or changed
    if moment <= task.known_until:
        return False
    changed = bool(facts) and describe(task, facts, ())
    n = facts.get("retries", 0) if kind == "received" else None
    kept = {k: v for k, v in facts.items() if k not in OF_ALL_ATTEMPTS}
    return add(task, (event.host, event.pid), Mark(event.clock, kind, moment, n, kept, "event")) or changed


def describe(task: Task, facts: dict[str, Any], more: Collection[str]) -> bool:
    """Take over what does not change: name, arguments, family. The first word holds."""
    changed = False
    for fact, value in facts.items():
        name = DESCRIBING.get(fact) or (fact if fact in more else None)
        if name and value and not getattr(task, name):
            setattr(task, name, value)
            changed = True
    if task.expires is None and "expires" in facts and (expires := epoch(facts["expires"])):
        task.expires, changed = expires, True
    return changed


def send(task: Task, waiting: Waiting, born: float | None) -> bool:
    """That a message was sent. Of several, the one for the latest attempt counts."""
    if born is not None and (task.born is None or born < task.born):
        task.born = born
    if task.waiting is not None and (task.waiting.n, task.waiting.by == "event") >= (waiting.n, waiting.by == "event"):
        return False
    task.waiting = waiting
    return True


def add(task: Task, process: Process, mark: Mark) -> bool:
    """Add one mark at its place. False if it is there already: a row remembers no clocks, and times as it can."""
    marks = task.marks.setdefault(process, [])
    if any(each.kind == mark.kind and abs(each.at - mark.at) < ROUNDED_S for each in marks):
        return False
    insort(marks, mark, key=Mark.order)
    del marks[:-MOST_MARKS]
    if mark.by == "event":  # somebody saw it: it is not gone, and not in a queue
        task.gone, task.missing, task.back, task.note = False, [], None, ""
    return True


def attempts(task: Task) -> list[Attempt]:
    """The attempts in their order: by the number of retries before each, then by when each was first seen."""
    found = [each for process, marks in task.marks.items() for each in _attempts_of(process, marks)]
    if len(found) == 1:  # as of most tasks
        found[0].n = found[0].n or 0
        return found
    found.sort(key=lambda each: each.at)
    known = {each.n for each in found if each.n is not None}
    free = [n for n in range(max(known, default=0)) if n not in known] if max(known, default=0) < MOST_MARKS else []
    newest: Attempt | None = None
    for each in found:
        if each.n is None:  # the first that is missing, or that of the newest, or the one after
            after = 0 if newest is None else newest.n + (newest.how == "retrying")
            each.n = free.pop(0) if free else after
        if newest is None or each.n >= newest.n:
            newest = each
    found.sort(key=lambda each: (each.n, each.at))
    return found


def attempts_of(task: Task, process: Process) -> list[Attempt]:
    """The attempts of one process alone; the number of one whose message nobody saw is not known."""
    return _attempts_of(process, task.marks.get(process, []))


def _attempts_of(process: Process, marks: list[Mark]) -> list[Attempt]:
    """The attempts of one process. It says the end of an attempt after it has received the next one's message."""
    found: list[Attempt] = []
    for mark in marks:
        match mark.kind:
            case "received" if found and _is_seen_by_look(found[-1], mark):
                found[-1].received, found[-1].eta, found[-1].by = mark.at, epoch(mark.facts.get("eta")), mark.by
            case "received":
                found.append(Attempt(process, mark.n, mark.at, epoch(mark.facts.get("eta")), by=mark.by))
            case "started":
                _start(found, process, mark)
            case _:
                _end(found, process, mark)
    return found


def _is_seen_by_look(attempt: Attempt, mark: Mark) -> bool:
    """A look was quicker than the event: it has seen this very message, or what runs of it, at the worker."""
    seen = attempt.start_by == "inspect" if attempt.started is not None else attempt.by == "inspect"
    return seen and mark.by == "event" and attempt.ended is None and attempt.n == mark.n


def _running(found: list[Attempt]) -> Attempt | None:
    for each in reversed(found):
        if each.started is not None and each.ended is None:
            return each
    return None


def _start(found: list[Attempt], process: Process, mark: Mark) -> None:
    running = _running(found)
    waiting = next((each for each in found if each.started is None and each.ended is None), None)
    if running is not None and (mark.by == "inspect" or running.start_by == "inspect"):
        if mark.by == "event":  # the look saw this very start
            running.started, running.start_by = mark.at, "event"
        return
    if waiting is None:
        known = found[-1].n if found else None
        waiting = Attempt(process, known if known is None else known + (found[-1].how == "retrying"), by=mark.by)
        found.append(waiting)
    waiting.started, waiting.start_by, waiting.by = mark.at, mark.by, mark.by


def _end(found: list[Attempt], process: Process, mark: Mark) -> None:
    how = "requeued" if mark.kind == "rejected" and mark.facts.get("requeue") else ENDS[mark.kind]
    attempt = _running(found) or next((each for each in found if each.ended is None), None)
    newer = attempt is not None and found[-1].ended is None and (found[-1].n or 0) > (attempt.n or 0)
    if newer and how != "retrying":  # the one before must have been retried, though nobody heard so
        attempt = found[-1]
    again = bool(found) and found[-1].how in ("retrying", "requeued")  # after which another attempt follows
    if attempt is None and found and not again:
        stronger = how == "cancelled" and mark.facts.get("terminated") and found[-1].how != "cancelled"
        if not stronger:  # of one attempt the first end counts, but for one that was terminated
            return
        attempt = found[-1]
    if attempt is None:
        known = found[-1].n if found else None
        attempt = Attempt(process, known if known is None else known + (found[-1].how == "retrying"))
        found.append(attempt)
    attempt.ended, attempt.how, attempt.facts, attempt.by = mark.at, how, mark.facts, mark.by


def view(task: Task) -> View:
    """What the row of a task shows."""
    found = attempts(task)
    newest = found[-1] if found else None
    ahead = task.waiting if task.waiting and (newest is None or task.waiting.n > newest.n) else None
    shown = View("queued", found, newest, None, None, None, None, newest.by if newest else "event")
    if ahead is not None:
        before = newest is not None and newest.how == "retrying"
        shown.stage = "retrying" if before else _waiting(ahead.eta, ahead.at)
        shown.queued, shown.due, shown.basis = ahead.at, ahead.eta, ahead.by
    elif newest is not None:
        _view_of_attempt(shown, newest)
    if task.back is not None and shown.stage == "running":
        shown.stage, shown.queued, shown.basis = "queued", task.back, "queue"
    if shown.stage not in FINAL and not (ahead and newest):
        _end_by_result(task, shown)
    if shown.stage not in FINAL and task.gone:
        shown.stage, shown.finished, shown.basis = "unknown", task.missing[-1] if task.missing else None, "inspect"
    if shown.stage == "running" and newest is not None and newest.start_by == "inspect":
        shown.basis = "inspect"
    return shown


def _waiting(eta: float | None, at: float) -> str:
    return "scheduled" if eta is not None and eta > at else "queued"


def _view_of_attempt(shown: View, newest: Attempt) -> None:
    shown.queued, shown.started = newest.received, newest.started
    if newest.ended is not None:
        shown.stage = "queued" if newest.how == "requeued" else newest.how
        shown.finished = newest.ended if newest.how in FINAL else None
        if newest.how == "requeued":
            shown.queued, shown.started = newest.ended, None
    elif newest.started is not None:
        shown.stage = "running"
    else:
        shown.stage = _waiting(newest.eta, newest.received or 0)
        if shown.stage == "scheduled":
            shown.due = newest.eta
            shown.stage = "retrying" if newest.n else "scheduled"


def _end_by_result(task: Task, shown: View) -> None:
    """The result backend says how it ended, if that is newer than the beginning of the attempt."""
    found = task.result or {}
    state = {"SUCCESS": "succeeded", "FAILURE": "failed", "REVOKED": "cancelled"}.get(found.get("status", ""))
    began = shown.started or shown.queued or 0.0
    if state and (found.get("at") is None or found["at"] >= began - 2):
        shown.stage, shown.finished, shown.basis = state, found.get("at") or task.arrived, "result"

"""What a look found, and what follows from it for each task: it is held, it waits, it has ended, or it is nowhere.

Pure. A look is newer than what came before it was asked for, and older than what came since. A task is gone if two
looks some seconds apart find it in no worker that answered, in no queue, in no unacknowledged message and no result.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from tasks.observe.fold import FINAL, Mark, Process, Task, View, Waiting, add, send, view

APART_S = 3.0  # between the two looks after which a task is gone
ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


@dataclass(slots=True)
class Held:
    """A task that a worker holds, or a message of it. ``at``: seconds since 1970; ``args``: real, or None."""

    name: str = ""
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    started: float | None = None
    eta: float | None = None
    expires: float | None = None
    retries: int | None = None
    queue: str = ""
    root: str = ""
    parent: str = ""
    again: float | None = None  # when Redis hands the message out again


@dataclass(slots=True)
class Look:
    """One look. The keys of ``active``, ``reserved`` and ``scheduled`` are the workers that answered."""

    asked: float
    at: float = 0.0
    hosts: frozenset[str] = frozenset()  # that were asked
    every: bool = False  # all workers that are known
    active: dict[str, dict[str, Held]] = field(default_factory=dict)
    reserved: dict[str, dict[str, Held]] = field(default_factory=dict)
    scheduled: dict[str, dict[str, Held]] = field(default_factory=dict)
    queued: dict[str, Held] = field(default_factory=dict)
    unacked: dict[str, Held] = field(default_factory=dict)
    complete: bool = False  # every queue was read to its end
    depths: dict[str, tuple[int | None, int | None, int | None]] = field(default_factory=dict)
    workers: dict[str, dict[str, Any]] = field(default_factory=dict)  # what inspect said of a worker beside its tasks
    deaf: float = 0.0  # when the newest gap ended: what happened before may not have been heard
    shared: frozenset[str] = frozenset()  # names that several workers have: an answer is that of one of them

    def tasks(self) -> set[str]:
        held = (tasks for found in (self.active, self.reserved, self.scheduled) for tasks in found.values())
        return {*self.queued, *self.unacked}.union(*held)

    def answered(self, host: str) -> bool:
        said = host in self.active and host in self.reserved and host in self.scheduled
        return said and host not in self.shared

    def name_of(self, task: str) -> str:
        places = [self.queued, self.unacked, *self.active.values(), *self.reserved.values(), *self.scheduled.values()]
        return next((found[task].name for found in places if task in found), "")


class Workers(Protocol):
    def process_of(self, host: str) -> Process: ...
    def clock_of(self, process: Process) -> int: ...
    def found_running(self, process: Process) -> None: ...
    def may_be_dead(self, process: Process, now: float) -> bool: ...


def apply_look(task: Task, look: Look, workers: Workers) -> bool:
    """Add what a look found. False: it says nothing new of this task."""
    changed = False
    for found in (look.active, look.reserved, look.scheduled):
        for host, tasks in found.items():
            if task.id in tasks:
                changed |= _fill(task, tasks[task.id], "inspect")
                if task.arrived <= look.asked:
                    changed |= _held(task, tasks[task.id], host, found is look.active, look, workers)
                return changed
    message = look.queued.get(task.id) or look.unacked.get(task.id)
    if message is not None:
        changed |= _fill(task, message, "message")
    if task.arrived > look.asked:
        return changed
    shown = view(task)
    if task.id in look.queued:
        return _queued(task, look.queued[task.id], shown, look) or changed
    if shown.stage in FINAL:
        return changed
    if task.id in look.unacked:
        return _unacknowledged(task, look.unacked[task.id], shown, look, workers) or changed
    return _absent(task, shown, look, workers) or changed


def _fill(task: Task, held: Held, by: str) -> bool:
    changed = False
    for name in ("name", "queue", "root", "parent"):
        if getattr(held, name) and not getattr(task, name):
            setattr(task, name, getattr(held, name))
            changed = True
    if held.args is not None and held.kwargs is not None and task.real is None:
        task.real, task.real_by, changed = (held.args, held.kwargs), by, True
    if held.expires is not None and task.expires is None:
        task.expires, changed = held.expires, True
    return changed


def _confirm(task: Task) -> bool:
    """Take the doubt away: a look has confirmed the task as it is shown."""
    doubted = task.doubt is not None or task.gone or bool(task.missing) or bool(task.note)
    task.doubt, task.gone, task.missing, task.note = None, False, [], ""
    return doubted


def _held(task: Task, held: Held, host: str, runs: bool, look: Look, workers: Workers) -> bool:
    process = workers.process_of(host)
    doubted = _confirm(task)
    newest = view(task).newest
    if host in look.shared and newest is not None and newest.process[0] == host:
        process = newest.process
    here = newest is not None and newest.process == process and newest.ended is None
    if here and (newest.started is not None) == runs:
        return doubted
    if here and newest.started is not None:  # a look never takes back that it began
        return doubted
    task.back = None
    at = held.started if runs and held.started else look.asked
    clock = workers.clock_of(process)
    if not here:
        n = held.retries if held.retries is not None else _next(task)
        eta = {"eta": _iso(held.eta)} if held.eta else {}
        add(task, process, Mark(clock, "received", at, n, eta, "inspect"))
    if runs and add(task, process, Mark(clock, "started", at, None, {}, "inspect")):
        workers.found_running(process)
    return True


def _next(task: Task) -> int:
    newest = view(task).newest
    if task.waiting is not None and (newest is None or task.waiting.n > (newest.n or 0)):
        return task.waiting.n
    return 0 if newest is None else (newest.n or 0) + (newest.how == "retrying")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _queued(task: Task, message: Held, shown: View, look: Look) -> bool:
    n = message.retries or 0
    newest = shown.newest
    if newest is not None and (newest.n or 0) > n:
        return False
    doubted = _confirm(task)
    if newest is not None and (newest.n or 0) == n and shown.stage in ("running", "queued", "scheduled"):
        if shown.stage == "running" and task.back is None:
            task.back = look.asked
            return True
        return doubted
    return send(task, Waiting(n, look.asked, message.eta, "queue"), task.born or look.asked) or doubted


def _unacknowledged(task: Task, message: Held, shown: View, look: Look, workers: Workers) -> bool:
    """Delivered and not acknowledged: a worker holds it, or held it when it died."""
    newest = shown.newest
    if newest is None:
        if not look.hosts or not _all_were_asked(look, workers):
            doubted = _confirm(task)
            return send(task, Waiting(message.retries or 0, look.asked, message.eta, "queue"), task.born) or doubted
        return _note(task, message, "a worker that does not have it") | _miss(task, look)
    if newest.ended is not None:
        return False
    host = newest.process[0]
    if not (look.answered(host) or workers.may_be_dead(newest.process, look.at)):
        return False
    changed = _note(task, message, host)
    itself = look.answered(host) and workers.process_of(host) == newest.process
    if newest.started is None and not itself and task.arrived > look.deaf:
        return changed  # its worker died with a message that it had not begun
    return _miss(task, look) or changed


def _note(task: Task, message: Held, worker: str) -> bool:
    when = f" after {_iso(message.again)[:19].replace('T', ' ')} UTC" if message.again else ""
    note = f"The broker still holds its message for {worker}, and hands it out again{when}."
    changed, task.note = task.note != note, note
    return changed


def _all_were_asked(look: Look, workers: Workers) -> bool:
    """Whether each worker said what it has, or may be dead."""
    dead = (workers.may_be_dead(workers.process_of(host), look.at) for host in look.hosts if not look.answered(host))
    return look.every and all(dead)


def _absent(task: Task, shown: View, look: Look, workers: Workers) -> bool:
    newest = shown.newest
    if newest is not None and newest.ended is None:
        host = newest.process[0]
        asked = look.every or host in look.hosts
        if look.answered(host) or (asked and workers.may_be_dead(newest.process, look.at)):
            return _miss(task, look)
        return False
    return look.complete and _all_were_asked(look, workers) and _miss(task, look)


def _miss(task: Task, look: Look) -> bool:
    if task.missing and look.asked - task.missing[-1] < APART_S:
        return False
    task.missing.append(look.asked)
    if len(task.missing) < 2 or task.gone:
        return False
    task.gone = True
    return True


def apply_result(task: Task, meta: dict[str, Any], arrived: float) -> bool:
    """Add what the result backend says. ``meta``: status, result, traceback, at, and with result_extended more."""
    changed = _fill(
        task,
        Held(meta.get("name", ""), meta.get("args"), meta.get("kwargs"), queue=meta.get("queue", "")),
        "result",
    )
    if meta["status"] not in ENDED or task.result == meta:
        return changed
    task.result, task.arrived = meta, arrived
    task.gone, task.missing, task.doubt, task.note = False, [], None, ""
    return True

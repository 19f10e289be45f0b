"""Watches one application: takes what its streams and looks bring, keeps the open tasks in memory, writes their rows.

One thread folds and writes; the streams and the controller only put things into ``inbox``. Nothing here sends anything.
"""

import fnmatch
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from tasks.engine.models import Job
from tasks.engine.transition import retry_on_lock
from tasks.observe import ledger, orders, restored, rows, workers
from tasks.observe.events import Event
from tasks.observe.fold import FINAL, OPEN, Attempt, Task, Waiting, apply, attempts_of, view
from tasks.observe.left_out import LeftOut
from tasks.observe.looks import Look, apply_look, apply_result
from tasks.observe.models import App, Gap
from tasks.observe.tally import Beat, Tally

WRITE_S = 0.1  # between two writes; the first change is written at once
KEPT_S = 10.0  # a task that ended stays in memory for late events
MOST_ENDED = 10_000  # of those
MOST_KINDS = 1_000  # names of tasks, queues and workers that an application may bring
MOST_TASKS = 100_000  # in memory
DOUBT_S = 0.5  # between two looks for workers that are silent
SKEW_S = 1.0  # a clock that is wrong by more is corrected
RELOADED = 50_000  # open rows that a restart reads again
GAP_S = 15.0  # what a tally finds so soon after a gap belongs to it


class Watcher:
    """The state of one application. ``asks``: called with the names of workers to look at now, or None for all."""

    def __init__(self, app: App, asks: Callable[[set[str] | None], Any]) -> None:
        self.app, self.asks = app, asks
        self.greets: Callable[[str], Any] = lambda host: None  # called with the name of a worker that has come up
        self.seeks: Callable[[float, float], Any] = lambda begin, until: None  # results of that time are to be found
        self.entries: dict[str, rows.Entry] = {}
        self.changed: dict[str, rows.Entry] = {}
        self.ended: deque[tuple[float, str]] = deque()
        self.workers = workers.Workers(app)
        self.dropped: Counter[str] = Counter()
        self.left_out = LeftOut()
        self.names: dict[str, set[str]] = {"kind": set(), "queue": set(), "worker": set()}
        self.unfamiliar: set[str] = set()  # tasks whose rows must be read before they are written
        self.lag = 0.0
        self.written = 0.0
        self.doubted = 0.0
        self.deaf_since: float | None = None  # nothing that is said now can be heard
        self.gap: Gap | None = None

    # --- what comes -----------------------------------------------------------------------------------------------
    def take(self, found: list[Event], arrived: float, again: bool = False) -> None:
        """Events, in the order in which they came. ``arrived``: seconds since 1970, by our clock. ``again``: an
        observer may have heard them before."""
        for event in found:
            event = event if event.kind == "task-sent" else self.workers.in_order(event)
            if event.task:
                self._take_task(event, arrived, again)
            else:
                self._take_worker(event, arrived)

    def _take_task(self, event: Event, arrived: float, again: bool) -> None:
        process = (event.host, event.pid)
        sender = event.kind == "task-sent"
        if not sender and not self._may("worker", event.host):
            return
        tally = None if sender else self._tally(process, event, arrived)
        if not sender and self.workers.sends_events(process, event, arrived, self.was_watched):
            self.greets(event.host)
        if event.task in self.left_out or not self._is_wanted(event):
            if tally is not None:
                self.left_out.take(event, tally)
            return
        at = event.at
        if tally is not None and tally.skew is not None and self._is_wrong(tally.skew):
            at += tally.skew
        entry = self._entry(event, again)
        if entry is None:
            return
        counts = tally is not None and event.kind != "task-received" and event.clock > 0
        before = attempts_of(entry.task, process) if counts else []
        if not apply(entry.task, event, at):
            return
        if counts:
            self._count(tally, entry, event, before)
        if not sender:
            entry.task.served = entry.task.served or self.workers.only_queue(process)
        entry.task.arrived, entry.task.doubt = arrived, None
        self.lag = max(self.lag * 0.9, arrived - at)
        self.changed[event.task] = entry

    def _is_wrong(self, skew: float) -> bool:
        """Whether a worker's clock is wrong. What RabbitMQ kept for us is late without that."""
        return skew < -SKEW_S or (skew > SKEW_S and self.app.transport == "redis")

    def _count(self, tally: Tally, entry: rows.Entry, event: Event, was: list[Attempt]) -> None:
        """Starts and ends of this process, for its tally."""
        process = (event.host, event.pid)
        now = attempts_of(entry.task, process)
        self.workers.count(process, event.kind)
        begun = [_count_known(found, "started") for found in (was, now)]
        over = [_count_known(found, "ended") for found in (was, now)]
        if entry.found and entry.found[0] == process and (begun, over) != ([0, 0], [0, 0]):
            tally.heard_after_all(event.clock, entry.found[1])
            entry.found = None
        if begun[1] > begun[0]:
            tally.started(event.clock)
        elif event.kind == "task-started" and _found(was) > _found(now):
            marks = entry.task.marks[process]
            tally.said(event.clock, max(each.clock for each in marks if (each.kind, each.by) == ("started", "inspect")))
        if over[1] > over[0]:
            ended = next((each for each in reversed(now) if each.ended is not None), None)
            if ended is not None and ended.started is not None:
                tally.ended(event.clock)
            elif event.kind in ("task-succeeded", "task-failed", "task-retried"):
                tally.ended(event.clock, unseen_start=True)

    def _take_worker(self, event: Event, arrived: float) -> None:
        if not self._may("worker", event.host):
            return
        process = (event.host, event.pid)
        tally = self._tally(process, event, arrived)
        if event.kind == "worker-offline":
            self.workers.stop(process, arrived)
            self.asks({event.host})
            return
        facts = event.facts
        new = self.workers.beat(process, event, arrived, self.was_watched)
        if new:
            self.greets(event.host)
        if event.kind == "worker-heartbeat" and "processed" in facts and "active" in facts:
            judged = tally.beat(Beat(event.clock, facts["processed"], facts["active"], arrived))
            if judged is not None:
                self._judge(event.host, judged, arrived)

    was_watched = False  # before this observer came: what a new process has done since then was not seen

    def _judge(self, host: str, judged: Any, arrived: float) -> None:
        if judged.unseen:
            self.app.unseen = max(0, self.app.unseen + judged.unseen)
            if self.gap is None or arrived - self.gap.until.timestamp() > GAP_S:
                if judged.unseen < 0:
                    return
                begin = datetime.fromtimestamp(arrived - 4, UTC)
                self.open_gap(begin, datetime.fromtimestamp(arrived, UTC), "no event of them came")
            self.gap.unseen = max(0, self.gap.unseen + judged.unseen)
            self.gap.save(update_fields=["unseen"])
        if judged.unseen > 0:  # and what it began may be shown as waiting still
            self.asks(None)
        elif judged.stale:
            self.asks({host})

    def open_gap(self, begin: datetime, until: datetime, why: str) -> None:
        """Remember that not everything was seen in that time."""
        self.gap = Gap.objects.create(app=self.app, begin=begin, until=until, why=why[:200])
        self.asks(None)
        self.seeks(begin.timestamp(), until.timestamp())

    def take_sent(self, message: dict[str, Any], arrived: float) -> None:
        """A task that somebody here runs again: it is about to be sent."""
        entry = self._make(message["task"], familiar=True)
        entry.copy_of, task = message["copy_of"], entry.task
        task.name, task.queue, task.arrived = message["kind"], message["queue"], arrived
        task.real, task.real_by = (message["args"], message["kwargs"]), "message"
        task.waiting, task.born = Waiting(0, arrived, None, "event"), arrived
        self.changed[task.id] = entry

    def take_look(self, look: Look) -> None:
        """What workers, queues and results said when they were asked."""
        self.workers.take(look)
        look.shared = self.workers.shared(look.at)
        look.deaf = self.gap.until.timestamp() if self.gap else 0.0
        found = look.tasks()
        for task in found - self.entries.keys():
            if self._may_see(look.name_of(task)) and len(self.entries) < MOST_TASKS:
                self._make(task)
        self._recognise()
        for name, entry in self.entries.items():
            if entry.stage in FINAL and name not in found:
                continue
            if apply_look(entry.task, look, self.workers):
                self.changed[name] = entry
        left_out = self.left_out.running(look)
        for process, tally in self.workers.tallies.items():
            if process[0] in look.active and process[0] not in look.shared:
                running = left_out[process] + sum(
                    1
                    for entry in self.entries.values()
                    if (newest := view(entry.task).newest) and newest.process == process and newest.started is not None
                    and newest.ended is None and not entry.task.gone
                )  # fmt: skip
                tally.looked(running)

    def take_result(self, task: str, meta: dict[str, Any], arrived: float) -> None:
        """What the result backend stores, or has stored."""
        entry = self.entries.get(task)
        if entry is None:
            if not self._may_see(meta.get("name", "")) or meta.get("status") == "PENDING":
                return
            self._make(task)
            self._recognise()
            entry = self.entries[task]
        if apply_result(entry.task, meta, arrived):
            self.changed[task] = entry

    def is_surely_ours(self, task: str) -> bool:
        """Whether a result that Redis publishes under this id is of this application. Everybody hears it, whatever
        database it stands in; an id that is no UUID may be used by two applications."""
        entry = self.entries.get(task)
        return entry is not None and str(entry.uid) == task

    def take_found(self, metas: list[dict[str, Any]], arrived: float) -> None:
        """What ended while nobody listened, as the result backend has it. Of what has no row a start is seen now."""
        wanted = {meta.pop("task"): meta for meta in metas if self._may_see(meta.get("name", ""))}
        for task in [each for each in wanted if each not in self.entries and each not in self.left_out]:
            if len(self.entries) < MOST_TASKS:
                self._make(task)
        self._recognise()
        for task, meta in wanted.items():
            entry = self.entries.get(task)
            is_new = entry is not None and not (entry.version or entry.task.arrived)
            if entry is not None and apply_result(entry.task, meta, arrived):
                self.changed[task] = entry
                if is_new:
                    entry.found = self.workers.found_ended(meta.get("worker", ""), meta["at"])

    # --- memory ---------------------------------------------------------------------------------------------------
    def _tally(self, process: tuple[str, int], event: Event, arrived: float) -> Tally:
        tally = self.workers.tally(process)
        tally.hear(event.clock, arrived, event.at)
        return tally

    def _entry(self, event: Event, again: bool) -> rows.Entry | None:
        entry = self.entries.get(event.task)
        if entry is None:
            if len(self.entries) >= MOST_TASKS:
                self.dropped["too many open tasks"] += 1
                return None
            self._make(event.task, familiar=event.kind in ("task-sent", "task-received") and not again)
            self._recognise()
        return self.entries[event.task]

    def _make(self, task: str, familiar: bool = False) -> rows.Entry:
        entry = self.entries[task] = rows.Entry(Task(task), rows.uid_of(self.app.name, task))
        if not familiar:
            self.unfamiliar.add(task)
        return entry

    def _recognise(self) -> None:
        """Read the rows of tasks that this process does not remember, before it says anything of them."""
        if not self.unfamiliar:
            return
        names, self.unfamiliar = list(self.unfamiliar), set()
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            found = Job.every.filter(
                app=self.app.name,
                uid__in=[uid for name in some for uid in (rows.uid_of(self.app.name, name),
                                                          rows.uid_of(self.app.name, name, own=False))],
            )  # fmt: skip
            for job in found:
                self.restore(job)

    def restore(self, job: Job) -> rows.Entry:
        """A task as its row has it."""
        entry = self.entries[job.task_id] = restored.entry_of(self.app.name, job)
        return entry

    def reload(self) -> None:
        """Remember the open tasks of an observer before this one."""
        for job in Job.every.filter(app=self.app.name, state__in=OPEN).order_by("-id")[:RELOADED]:
            self.restore(job)
        self.workers.reload()

    def _is_wanted(self, event: Event) -> bool:
        name = event.facts.get("name", "")
        entry = self.entries.get(event.task)
        if entry is None and not self._may_see(name):
            return False
        return not (name and not self._may("kind", name)) and self._may("queue", event.facts.get("queue", ""))

    def _may_see(self, name: str) -> bool:
        """Whether a task of that name is to be watched."""
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in settings.SIGNALBOX_OBSERVE_IGNORE):
            return False
        wanted = settings.SIGNALBOX_OBSERVE_KINDS
        return not wanted or not name or any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)

    def _may(self, what: str, name: str) -> bool:
        """Whether there is room for one more name."""
        if not name or name in self.names[what]:
            return True
        if what == "worker" and len(self.names[what]) >= MOST_KINDS:  # in a cluster names come and go
            self.names[what] = set(self.workers.hosts())
        if len(self.names[what]) >= MOST_KINDS:
            self.dropped[f"too many names of a {what}"] += 1
            return False
        self.names[what].add(name)
        return True

    # --- rows -----------------------------------------------------------------------------------------------------
    def doubt(self, now: float) -> None:
        """Mark the tasks of workers that are silent, and ask about them."""
        if now - self.doubted < DOUBT_S and not self.workers.fell_silent(self.doubted, now):
            return
        self.doubted = now
        silent = self.workers.silent(now)
        hosts = set()
        for entry in self.entries.values() if silent else ():
            if entry.process in silent and entry.stage in OPEN and entry.task.doubt is None:
                entry.task.doubt = silent[entry.process]
                self.changed[entry.task.id] = entry
                hosts.add(entry.process[0])
        if hosts:
            self.asks(hosts)

    def write(self) -> None:
        """Write what changed, and up to when the rows are complete: all of it, or nothing."""
        now = time.time()
        entries, self.changed = list(self.changed.values()), {}
        try:
            self._commit(entries, now)
        except Exception:
            self.changed = {entry.task.id: entry for entry in entries} | self.changed
            raise
        self.workers.changed.clear()
        self.workers.forget()
        for entry in entries:
            if entry.stage in FINAL:
                self.ended.append((now, entry.task.id))
        self._forget(now)
        self.written, self.lag = now, 0.0

    @retry_on_lock
    def _commit(self, entries: list[rows.Entry], now: float) -> None:
        """A tally without its rows would count them as unseen after a restart."""
        until = now if self.deaf_since is None else min(now, self.deaf_since)
        self.app.as_of = max(self.app.as_of or workers.at(0), workers.at(until))
        self.app.lag_ms = min(2**31 - 1, max(0, int(self.lag * 1000)))
        self.app.dropped = dict(self.dropped)
        with transaction.atomic():
            jobs = ledger.write(self.app.name, entries)
            orders.confirm([job.uid for job in jobs if job.state == "cancelled"])
            self.app.save(update_fields=["as_of", "lag_ms", "unseen", "dropped"])
            self.workers.write()

    def _forget(self, now: float) -> None:
        while self.ended and (now - self.ended[0][0] > KEPT_S or len(self.ended) > MOST_ENDED):
            at, name = self.ended.popleft()
            entry = self.entries.get(name)
            if entry is not None and entry.stage in FINAL and entry.task.arrived <= at and name not in self.changed:
                del self.entries[name]

    def is_due(self, now: float) -> bool:
        return now - self.written >= (WRITE_S if self.changed else 1.0)


def _found(attempts: list[Attempt]) -> int:
    """How many of them a look has seen running before their start was said."""
    return sum(1 for each in attempts if each.start_by == "inspect")


def _count_known(attempts: list[Attempt], moment: str) -> int:
    """Of how many attempts this moment is known."""
    n = 0
    for each in attempts:
        if getattr(each, moment) is not None:
            n += 1
    return n

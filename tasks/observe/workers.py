"""The workers of one watched application: their tallies, since when they are silent, and their rows."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from tasks.engine import storable
from tasks.observe.events import Event
from tasks.observe.fold import Process
from tasks.observe.looks import Look
from tasks.observe.models import App, WatchedQueue, WatchedWorker
from tasks.observe.tally import Tally

FORGOTTEN = timedelta(minutes=10)
ASKED_S = 60.0  # of silence, after which a worker is not asked any more until it says something
BEATS = frozenset({"worker-online", "worker-heartbeat"})
COUNTED = {"task-succeeded": "succeeded", "task-failed": "failed", "task-retried": "retried"}  # event → column
FIELDS = [field.name for field in WatchedWorker._meta.concrete_fields if field.name not in ("id", "app", "name", "pid")]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Workers:
    """Everything that is known of them. Used by the watcher's thread; ``hosts`` may be called by others."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.tallies: dict[Process, Tally] = {}
        self.rows: dict[Process, WatchedWorker] = {}
        self.newest: dict[str, Process] = {}  # by name
        self.changed: set[Process] = set()
        self.replaced: set[Process] = set()  # another process has come up with their name

    def tally(self, process: Process) -> Tally:
        return self.tallies.setdefault(process, Tally())

    def reload(self) -> None:
        """What an observer before this one knew. Silence is counted from now."""
        now = timezone.now().timestamp()
        for row in WatchedWorker.objects.filter(app=self.app, stopped_at__isnull=True):
            process = (row.name, row.pid)
            self.rows[process] = row
            self.newest[row.name] = process
            told = row.seen_at.timestamp() - row.skew_ms / 1000
            self.tallies[process] = Tally(base=row.base, starts=row.starts, unseen=row.unseen, heard=now, told=told)

    def hosts(self) -> frozenset[str]:
        """Workers that can be asked. One that is silent for long would cost each question a timeout. For any thread."""
        now = timezone.now().timestamp()
        return frozenset(
            name
            for (name, pid), row in self.rows.copy().items()
            if row.stopped_at is None and now - self.tally((name, pid)).heard < ASKED_S
        )

    def in_order(self, event: Event) -> Event:
        """The event, by a clock that never goes back: in a container a worker that is started again has the name and
        the process id of the one before it, and its clock begins anew."""
        process = (event.host, event.pid)
        tally, row = self.tallies.get(process), self.rows.get(process)
        if tally is None:
            return event
        if row is not None and event.kind in BEATS and event.at > tally.told:  # not said again, or late
            clock, processed = event.clock + tally.offset, event.facts.get("processed", row.processed)
            if processed < row.processed or (event.kind == "worker-online" and clock <= tally.clock):
                tally.restart(event.clock)
                row.since = row.stopped_at = at(event.at if tally.skew is None else event.at + tally.skew)
        return event._replace(clock=event.clock + tally.offset) if tally.offset else event

    def beat(self, process: Process, event: Event, arrived: float, was_watched: bool) -> bool:
        """Take a worker's heartbeat. True: this process was not known."""
        row = self.rows.get(process)
        new = row is None or row.stopped_at is not None
        tally = self.tally(process)
        if row is None:
            row = self.rows[process] = WatchedWorker(app=self.app, name=process[0], pid=process[1], since=at(arrived))
            if tally.base is None and (event.kind == "worker-online" or was_watched):
                tally.base = 0
        if new:
            before = self.newest.get(process[0])
            lives = process in self.replaced  # it was not: two workers have the same name
            if before is not None and before != process and not lives:
                self.stop(before, arrived)
                self.replaced.add(before)
            self.replaced.discard(process)
            self.newest[process[0]] = process
            row.stopped_at, row.events, row.events_why = None, "", ""
        facts = event.facts
        row.seen_at, row.silent_since = at(arrived), None
        row.processed, row.active = facts.get("processed", row.processed), facts.get("active", row.active)
        row.load = facts.get("loadavg", row.load)
        if "sw_ver" in facts:
            row.version = storable.text(f"{facts.get('sw_ident', '')} {facts['sw_ver']}".strip(), 100)
        row.skew_ms = max(-(2**31), min(2**31 - 1, int((tally.skew or 0.0) * 1000)))
        self.changed.add(process)
        return new

    def stop(self, process: Process, arrived: float) -> None:
        """Note that a process stopped: it said so, or another process has its name."""
        if (row := self.rows.get(process)) is not None and row.stopped_at is None:
            row.stopped_at = at(arrived)
            self.changed.add(process)

    def sends_events(self, process: Process, event: Event, arrived: float, was_watched: bool) -> bool:
        """Note that a process sends events of tasks. True: this process was not known."""
        new = process not in self.rows and self.beat(process, event, arrived, was_watched)
        row = self.rows[process]
        if row.events != "on":
            row.events, row.events_why = "on", ""
            self.changed.add(process)
        return new

    def shared(self, now: float) -> frozenset[str]:
        """Names that several workers have at once. Of an answer under such a name nobody knows whose it is."""
        names = Counter(name for (name, pid), row in self.rows.items()
                        if row.stopped_at is None and not self.tally((name, pid)).is_silent(now))  # fmt: skip
        return frozenset(name for name, n in names.items() if n > 1)

    def count(self, process: Process, kind: str) -> None:
        """Count a new event of a task for its worker."""
        row, name = self.rows.get(process), COUNTED.get(kind)
        if row is None:
            return
        if name:
            setattr(row, name, getattr(row, name) + 1)
        self.changed.add(process)

    def only_queue(self, process: Process) -> str:
        """The queue that all messages of a worker come from, if it consumes no other; empty if that is not known."""
        row = self.rows.get(process)
        return row.queues[0] if row is not None and len(row.queues) == 1 and isinstance(row.queues[0], str) else ""

    def listen(self, since: float) -> None:
        """Count silence from this moment, since nothing could be heard before."""
        for tally in self.tallies.values():
            tally.heard = max(tally.heard, since)

    def fell_silent(self, since: float, now: float) -> bool:
        """Whether a worker process has been without a word for too long only since then."""
        return any(tally.is_silent(now) and not tally.is_silent(since) for tally in self.tallies.values())

    def silent(self, now: float) -> dict[Process, float]:
        """Worker processes without a word, and since when: those that stopped, too."""
        found = {}
        for process, tally in self.tallies.items():
            row = self.rows.get(process)
            if (row is not None and row.stopped_at is not None) or tally.is_silent(now):
                found[process] = tally.heard or now
                if row is not None and row.silent_since is None:
                    row.silent_since = at(found[process])
                    self.changed.add(process)
        return found

    # --- for looks ------------------------------------------------------------------------------------------------
    def process_of(self, host: str) -> Process:
        return self.newest.get(host, (host, 0))

    def clock_of(self, process: Process) -> int:
        return self.tally(process).clock

    def found_running(self, process: Process) -> None:
        """Count the start of a task that a look found running there before its event came."""
        self.tally(process).found()
        if process in self.rows:
            self.changed.add(process)

    def found_ended(self, host: str, moment: float) -> tuple[Process, int] | None:
        """A task of which nobody had heard ended then, at this worker, or if its name is empty at the only one.

        Returns where that start was counted, and at which clock, in case that its events come still.
        """
        hosts = [host] if host else list(self.newest)
        process = self.newest.get(hosts[0]) if len(hosts) == 1 else None
        if process is None or self.rows[process].since > at(moment):
            return None
        tally = self.tally(process)
        tally.ended(tally.clock, unseen_start=True)
        self.changed.add(process)
        return process, tally.clock

    def may_be_dead(self, process: Process, now: float) -> bool:
        """Whether its silence means anything: a worker with the pool solo says nothing while a task runs.

        It may have begun that task before it said what its pool is.
        """
        row = self.rows.get(process)
        if row is None or row.stopped_at is not None:
            return True
        if not row.pool and not settings.SIGNALBOX_OBSERVE_READONLY:
            return now - self.tally(process).heard >= ASKED_S
        return self.tally(process).is_silent(now) and "solo" not in row.pool

    def take(self, look: Look) -> None:
        for host, said in look.workers.items():
            process = self.newest.get(host)
            if process is None:
                continue
            row = self.rows[process]
            for name in ("pool", "concurrency", "queues", "events", "events_why", "detail"):
                if name in said:
                    setattr(row, name, said[name])
            self.changed.add(process)
        rows = [
            WatchedQueue(
                app=self.app, name=storable.text(name, 200), depth=depth, unacknowledged=unacked, consumers=consumers,
                seen_at=at(look.at),
            )
            for name, (depth, unacked, consumers) in look.depths.items()
        ]  # fmt: skip
        if rows:
            WatchedQueue.objects.bulk_create(
                rows, 500, update_conflicts=True, unique_fields=["app", "name"],
                update_fields=["depth", "unacknowledged", "consumers", "seen_at"],
            )  # fmt: skip

    def write(self) -> None:
        """Write the rows of workers of which something came. The caller empties ``changed`` after the commit."""
        rows = []
        for process in self.changed:
            row, tally = self.rows[process], self.tally(process)
            row.base, row.starts, row.unseen = tally.base, tally.seen(), tally.unseen
            row.pk = None  # the names decide whether it is there
            rows.append(row)
        if rows:
            WatchedWorker.objects.bulk_create(
                rows, 500, update_conflicts=True, unique_fields=["app", "name", "pid"], update_fields=FIELDS
            )

    def forget(self) -> None:
        """Processes that stopped some time ago leave the memory; their rows stay."""
        before = timezone.now() - FORGOTTEN
        for process in [each for each, row in self.rows.items() if row.stopped_at and row.stopped_at < before]:
            del self.rows[process]
            self.replaced.discard(process)
            self.tallies.pop(process, None)
            if self.newest.get(process[0]) == process:
                del self.newest[process[0]]

    def events(self) -> str:
        """on, off or partly, over all workers that are there."""
        said = {row.events or "off" for row in self.rows.values() if row.stopped_at is None}
        return "on" if said == {"on"} else "partly" if "on" in said else "off"

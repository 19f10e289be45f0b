"""Tasks that the settings leave out, or that are too many: no rows, but their workers' tallies count them as seen."""

from collections import Counter

from tasks.observe.events import Event
from tasks.observe.fold import Process
from tasks.observe.looks import Look
from tasks.observe.tally import Tally

MOST = 50_000  # that are remembered
ENDS = frozenset({"task-succeeded", "task-failed", "task-retried", "task-rejected", "task-revoked"})
UNBEGUN_TOO = frozenset({"task-rejected", "task-revoked"})  # ends of what may never have begun


class LeftOut:
    """Remembers these tasks and where they run, since only their first event has the name of the kind."""

    def __init__(self) -> None:
        self.tasks: dict[str, Process | None] = {}  # where it runs; None: it does not
        self.ended: set[str] = set()

    def __contains__(self, task: str) -> bool:
        return task in self.tasks

    def take(self, event: Event, tally: Tally) -> None:
        task, runs = event.task, self.tasks.setdefault(event.task, None) is not None
        if event.kind == "task-started" and not runs:
            self.tasks[task] = (event.host, event.pid)
            self.ended.discard(task)
            tally.started(event.clock)
        elif event.kind in ENDS and task not in self.ended:
            if runs or event.kind not in UNBEGUN_TOO:
                tally.ended(event.clock, unseen_start=not runs)
            self.tasks[task] = None
            self.ended.add(task)
        while len(self.tasks) > MOST:
            oldest = next(iter(self.tasks))
            del self.tasks[oldest]
            self.ended.discard(oldest)

    def running(self, look: Look) -> Counter[Process]:
        """How many of them run at each process. What a worker that answered does not run has ended."""
        for task, process in self.tasks.items():
            if process is None or process[0] in look.shared or process[0] not in look.active:
                continue
            if task not in look.active[process[0]]:
                self.tasks[task] = None
                self.ended.add(task)
        return Counter(process for process in self.tasks.values() if process is not None)

"""Numbers that only some pages show, such as a chart's bars. They are sent to readers that asked, when they differ.

Pure: it is handed what was read. ``tasks.queries.gauges`` has the list of gauges, and ``live.state`` reads them.
"""

from collections.abc import Container, Iterable
from typing import Any

from live import frames
from live.board import Move
from live.mailbox import Mailbox


class Gauges:
    def __init__(self) -> None:
        self._shown: dict[str, tuple[int, str]] = {}  # name → how often it changed, and its value as text
        self._tallies: dict[str, dict[str, dict[str, int]]] = {}

    def take(self, read: dict[str, Any], asked: Container[str]) -> bool:
        """Take values that were read now. Returns whether any changed. Values that nobody asks for are forgotten."""
        before = {name: shown for name, shown in self._shown.items() if name in asked}
        self._shown = dict(before)
        for name, value in read.items():
            self._show(name, value)
        self._tallies = read.get("tallies", self._tallies if "tallies" in before else {})
        return self._shown != before

    def moved(self, moves: Iterable[Move]) -> bool:
        """Count moves by queue and by kind, as the board counts them by state. Returns whether a gauge changed."""
        if not self._tallies:
            return False
        for move in moves:
            if move.known:
                for side, n in ((move.before, -1), (move.after, 1)):
                    for by, name, column in tallied(side):
                        counts = self._tallies[by].setdefault(name, {"running": 0, "waiting": 0})
                        counts[column] = max(0, counts[column] + n)
        before = self._shown["tallies"]
        self._show("tallies", self._tallies)
        return self._shown["tallies"] != before

    def _show(self, name: str, value: Any) -> None:
        revision, known = self._shown.get(name, (0, ""))
        text = frames.dumps(value)
        self._shown[name] = (revision + (text != known), text)

    def waits(self, mailbox: Mailbox) -> bool:
        return any(self._shown.get(name, (0, ""))[0] > seen for name, seen in mailbox.gauges.items())

    def feed(self, mailbox: Mailbox) -> str | None:
        """Return the members of a mailbox's next gauge frame and count it as sent, or None if it has all values."""
        for name, seen in mailbox.gauges.items():
            revision, text = self._shown.get(name, (0, ""))
            if revision > seen:
                mailbox.gauges[name] = revision
                return f'"gauge":{frames.dumps(name)},"value":{text}'
        return None


def tallied(job: dict[str, Any] | None) -> Iterable[tuple[str, str, str]]:
    """Where the gauge ``tallies`` counts a job: (queues or kinds, name, column)."""
    state = job and job["state"]
    if state in ("running", "queued"):
        yield "queues", job["queue"], "running" if state == "running" else "waiting"
    if state in ("running", "queued", "scheduled", "retrying"):
        yield "kinds", job["kind"], "running" if state == "running" else "waiting"

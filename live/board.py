"""The board in memory, shared by all browsers: rows by id, each with the place (number) of its last change.

Pure: no I/O, no clock, no loop. ``apply`` takes hints, ``diff`` takes rows of the database; only ``diff`` removes rows.
A reader is a place in the order of changes. It has missed all rows with a later place, each in its newest version. So
a slow reader costs nothing and needs no queue.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from live import frames

LIMITS = {"running": 300, "queued": 100, "retrying": 50, "finished": 50}
SECTIONS = {"running": "running", "queued": "queued", "retrying": "retrying"} | dict.fromkeys(
    ("succeeded", "failed", "cancelled", "unknown"), "finished"
)
EXTRAS = ("stats", "workers", "queues")
ROOM = 2_000  # rows in all: between two reconciles hints may add rows, but not without end
REMEMBERED = 2_000  # removed rows that a reader may have missed; a reader that missed more gets a snapshot

Summary = dict[str, Any]


class Row(NamedTuple):
    summary: Summary
    text: str
    place: int
    section: str
    rank: tuple


class Place(NamedTuple):
    """How far a reader is, with the rows (a large snapshot takes several frames) and with the rest."""

    rows: int
    rest: int


class Move(NamedTuple):
    """A job's new state. ``before``: where it was; None: nowhere, if it is new, or nobody here knows where."""

    before: Summary | None
    after: Summary

    @property
    def known(self) -> bool:
        return self.before is not None or self.after["version"] == 1


class BoardChanges(NamedTuple):
    """The changes that a reader has missed, as members of a frame, and its place after them."""

    members: tuple[str, ...]
    place: Place
    whole: bool


def rank(summary: Summary) -> tuple:
    """The order within a section, first shown first: the same that ``tasks.queries.board.board`` reads rows in."""
    match SECTIONS[summary["state"]]:
        case "running":
            return (_seconds(summary["started_at"]), summary["id"])
        case "queued":
            return (-summary["priority"], summary["id"])
        case "retrying":
            return (_seconds(summary["due_at"]), summary["id"])
        case _:
            return (-_seconds(summary["finished_at"]), summary["id"])


def _seconds(instant: str | None) -> float:
    return datetime.fromisoformat(instant).timestamp() if instant else 0.0


class Board:
    """The rows that one audience asks for: our own jobs, or those and the tasks of watched applications."""

    def __init__(self) -> None:
        self.now = Place(0, 0)  # the place of a reader who has missed nothing
        self.rows: dict[str, Row] = {}  # in the order of their last change
        self.gone: dict[str, int] = {}  # likewise
        self._past: dict[str, int] = {}  # of these, the version that was shown last: a late hint brings none back
        self.floor = 0  # a reader behind this place gets a snapshot: older removals are forgotten
        self.extras: dict[str, tuple[str, int]] = {}
        self._signs: dict[str, Any] = {}
        self._order: dict[str, list[tuple]] = {section: [] for section in LIMITS}
        self._touched: set[str] = set()
        self.moves: list[Move] = []  # what hints brought since the owner last emptied it: the counts must be read again
        self._stats: dict[str, Any] = {}
        self.stirred: list[Summary] = []  # rows that the last ``diff`` put, or took away
        self.repairs = 0  # rows that a ``diff`` had to correct because no hint had arrived
        self._ends: dict[str, tuple] = {}  # of full sections: their last row at the last ``diff``
        self.corrected: dict[str, int] = {}  # corrected by the last ``diff``, to that version; a hint may still come

    def apply(self, summaries: Iterable[Summary]) -> bool:
        """Take hints: update known rows to newer versions, and add rows that rank within their section's limit."""
        before = self.now
        for summary in summaries:
            job, section = summary["id"], SECTIONS.get(summary["state"])
            if summary["version"] >= self.corrected.get(job, summary["version"] + 1):
                del self.corrected[job]
            known = self.rows.get(job)
            shown = known.summary["version"] if known else self._past.get(job, 0)
            if shown >= summary["version"]:
                continue
            if known is None or known.summary["state"] != summary["state"]:
                self._moved(Move(known and known.summary, summary))
            if section is None:
                continue
            if known or self._ranks(section, rank(summary)):
                self._put(summary)
                self._touched.add(job)
        return self.now != before

    def begin(self) -> None:
        """Mark the start of a read of the database. Hints from here on may be newer than its rows."""
        self._touched.clear()

    def _moved(self, move: Move) -> None:
        """Count a move, so that a frame's rows and counts say the same. The next reading of the counts corrects it."""
        self.moves.append(move)
        if move.known and self._stats:
            before, state = move.before and move.before["state"], move.after["state"]
            now, ended = self._stats["now"], self._stats["last_hour"]
            self._extra(
                "stats", self._stats | {"now": moved(now, before, state), "last_hour": moved(ended, None, state)}
            )

    def diff(self, picture: dict[str, Any], counts: bool = True) -> bool:
        """Replace the rows by those read since ``begin``. Returns whether anything changed.

        ``counts``: take those too. A move since ``begin`` may be missing in them.

        Rows that a hint changed since then stay. A row that is newer here than in the database, although no hint
        changed it, was never committed: it is removed, and the next read brings the committed one.
        """
        before = self.now
        self.stirred.clear()
        real = {summary["id"]: summary for summary in picture["jobs"]}
        self.repairs += len(self.corrected)
        self.corrected = {job: summary["version"] for job, summary in real.items() if self._missed(summary)}
        for job in [job for job in self.rows if job not in real and job not in self._touched]:
            self.stirred.append(self.rows[job].summary)
            self._past[job] = self.rows[job].summary["version"]
            self._remove(job)
        for job, summary in real.items():
            known = self.rows.get(job)
            if known is None or known.summary["version"] < summary["version"]:
                self._put(summary)
                self.stirred.append(summary)
            elif job not in self._touched and known.summary != summary:
                self.stirred.append(summary)
                if known.summary["version"] > summary["version"]:
                    self._remove(job)
                else:
                    self._put(summary)
        if counts:
            self.count(picture)
        self._ends = {
            section: ranked[LIMITS[section] - 1]
            for section, ranked in self._order.items()
            if len(ranked) >= LIMITS[section]
        }
        return self.now != before

    def count(self, counts: dict[str, Any]) -> bool:
        """Take ``stats``, ``workers`` and ``queues`` that were read just now. Returns whether anything changed."""
        before = self.now
        for name in EXTRAS:
            self._extra(name, counts[name])
        return self.now != before

    def _missed(self, summary: Summary) -> bool:
        """Whether a hint should have brought this row as it is: not, if it only moved up within its section's limit."""
        if known := self.rows.get(summary["id"]):
            return known.summary["version"] < summary["version"]
        section, key = SECTIONS[summary["state"]], rank(summary)
        return self._ranks(section, key) and (section not in self._ends or key < self._ends[section])

    def snapshot(self, limit: int = frames.LIMIT) -> BoardChanges:
        """All rows. If a frame cannot hold them, those that changed longest ago; ``since`` returns the rest."""
        return self._news(Place(-1, -1), limit)

    def since(self, place: Place, limit: int = frames.LIMIT) -> BoardChanges:
        """What changed after a place, oldest change first, as much as a frame holds."""
        return self.snapshot(limit) if place.rest < self.floor else self._news(place, limit)

    def _news(self, place: Place, limit: int) -> BoardChanges:
        whole = place.rows < 0
        members = [f'"{name}":{text}' for name, (text, at) in self.extras.items() if at > place.rest]
        if not whole and (gone := [job for job, _ in _later(self.gone.items(), lambda item: item[1], place.rest)]):
            members.append('"gone":' + frames.dumps(gone))
        room = limit - frames.HEAD - sum(map(len, members))
        later = list(_later(self.rows.values(), lambda row: row.place, place.rows))
        texts, reached = [], place.rows
        for row in reversed(later):
            room -= len(row.text) + 1
            if room < 0 and texts:
                break
            texts.append(row.text)
            reached = row.place
        if len(texts) == len(later):
            reached = self.now.rows
        if whole or texts:
            members.append('"jobs":[' + ",".join(texts) + "]")
        return BoardChanges(tuple(members), Place(reached, self.now.rest), whole)

    def _ranks(self, section: str, key: tuple) -> bool:
        ranked, limit = self._order[section], LIMITS[section]
        return len(self.rows) < ROOM and (len(ranked) < limit or key < ranked[limit - 1])

    def _put(self, summary: Summary) -> None:
        job = summary["id"]
        self._take_out(job)
        self.gone.pop(job, None)
        self._past.pop(job, None)
        row = Row(summary, frames.row(summary), self._step(), SECTIONS[summary["state"]], rank(summary))
        self.rows[job] = row
        insort(self._order[row.section], row.rank)

    def _remove(self, job: str) -> None:
        self._take_out(job)
        self.gone[job] = self._step()
        if len(self.gone) > REMEMBERED:
            oldest = next(iter(self.gone))
            self.floor = self.gone.pop(oldest)
            self._past.pop(oldest, None)

    def _step(self) -> int:
        self.now = Place(self.now.rows + 1, self.now.rest + 1)
        return self.now.rows

    def _take_out(self, job: str) -> None:
        if row := self.rows.pop(job, None):
            order = self._order[row.section]
            del order[bisect_left(order, row.rank)]

    def _extra(self, name: str, value: Any) -> None:
        if name == "stats":
            self._stats = value
        if name in self.extras and self._signs[name] == _sign(value):
            return
        self._signs[name] = _sign(value)
        self.extras[name] = (frames.counts(value), self._step())


def moved(counts: dict[str, int], before: str | None, after: str) -> dict[str, int]:
    """Counts by state after a job's move from one to another. States that are not counted here do not matter."""
    return {name: max(0, n - (name == before) + (name == after)) for name, n in counts.items()}


def _later(items: Iterable, at: Any, place: int) -> Iterable:
    """From the newest back to a place; the items are in the order of their changes."""
    for item in reversed(items):
        if at(item) <= place:
            return
        yield item


AGES = ("beat_age_s", "oldest_s")


def _sign(value: Any) -> Any:
    """Round ages to five seconds, and moments to ten: a smaller change is not worth a frame."""
    if isinstance(value, dict) and "apps" in value:
        return {**value, "apps": [{**app, "as_of": (app["as_of"] or "")[:18]} for app in value["apps"]]}
    if isinstance(value, list):
        return [{k: (v or 0) // 5 if k in AGES else v for k, v in item.items()} for item in value]
    return value

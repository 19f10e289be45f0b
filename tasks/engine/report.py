"""The Report of a running attempt: progress(), log(), cancelled().

Every call touches memory only and costs about a microsecond. Any thread and any event loop may call it.
The pulse writes the collected updates to the database.
"""

import json
import threading
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from tasks.engine import storable
from tasks.engine.sealing import hide

MOST_LINES, MOST_CHARACTERS = 20_000, 10_000_000  # of an attempt; what comes after is not kept
LINE_CHARACTERS = 8_000
STATE = "signalbox_state"  # in a job's headers: attempt, state and meta that its code gave to update_state
RAISED = "signalbox_raised"  # in a job's headers: attempt, and arguments of its exception that its text does not tell
OF_THE_ATTEMPT = (STATE, RAISED)  # they are handed on to no other job
ARGUMENTS_BYTES = 10_000  # of an exception
LEVELS = ("debug", "info", "warning", "error")
_current: ContextVar["Report | None"] = ContextVar("signalbox_report", default=None)
_running: dict[int, "Report"] = {}  # by id(): the reports of this process's jobs


class Stopped(BaseException):
    """The job must end now. Not an Exception, so that a broad ``except`` in a job does not swallow it."""


class Cancelled(Stopped):
    """Somebody asked for the job to be cancelled."""


class Fenced(Stopped):
    """The job belongs to another attempt now. Nothing that this attempt writes is stored any more."""


class ReportLine(NamedTuple):
    seq: int
    at: datetime
    level: str
    text: str


class ReportUpdate(NamedTuple):
    """What a report collected since the last ``take``."""

    done: int
    total: int
    note: str
    log_seq: int
    lines: list[ReportLine]
    headers: dict[str, Any] | None = None  # with what its code said for those who read results, if that changed


class Report:
    """Progress, log and cancel request of one attempt. ``job_id`` is None outside a job; ``attempt`` counts from 1."""

    def __init__(
        self,
        job_id: str | None = None,
        attempt: int = 1,
        log_seq: int = 0,
        secrets: Iterable[str] = (),
        headers: dict[str, Any] | None = None,
    ) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.root: UUID | None = None  # the job that all began with
        self._secrets = tuple(secrets)
        self._progress = self._told = (0, 0, "")
        self._lines: list[ReportLine] = []
        self._log_seq = self._told_seq = self._first_seq = log_seq
        self._characters, self._full = 0, False
        self._lock = threading.Lock()
        self._headers = headers or {}
        self.own_state: tuple[str, Any] | None = None  # of the code's own, and its meta
        self._told_state: tuple[str, Any] | None = None
        self._raised: list[Any] | None = None  # arguments of the exception that ends it
        self._stop: type[Stopped] | None = None

    def progress(self, done: int, total: int | None = None, note: str | None = None) -> None:
        """Set the progress. Arguments left out keep their values. Raises Cancelled after a cancel request."""
        if self._stop is not None:
            raise self._stop
        _, old_total, old_note = self._progress
        total = old_total if total is None else _whole(total)
        self._progress = (_whole(done), total, old_note if note is None else storable.describe_value(note))

    def log(self, text: Any, level: str = "info") -> None:
        """Write ``str(text)`` as one log line. Raises Cancelled after a cancel request."""
        if self._stop is not None:
            raise self._stop
        self.note(text, level)

    def note(self, text: Any, level: str = "info") -> None:
        """Like ``log``, but never raises, so that a job can log while it stops."""
        shown = storable.text(hide(storable.describe_value(text), self._secrets), LINE_CHARACTERS)
        level = level if isinstance(level, str) and level in LEVELS else "info"
        with self._lock:
            if self._full:
                return
            self._log_seq += 1
            self._characters += len(shown)
            if self._log_seq - self._first_seq > MOST_LINES or self._characters > MOST_CHARACTERS:
                most = f"{MOST_LINES:,} lines or {MOST_CHARACTERS:,} characters"
                self._full, level, shown = True, "warning", f"More than {most}: what follows is not kept."
            self._lines.append(ReportLine(self._log_seq, datetime.now(UTC), level, shown))

    def set_state(self, state: str, meta: Any) -> None:
        """Keep a state of the code's own, for callers who read results as Celery has them."""
        self.own_state = (state[:100], storable.result(meta, self.hidden))

    def set_raised(self, args: Sequence[Any]) -> None:
        """Keep the arguments of the exception that ends the attempt, for callers who catch it as Celery gives it."""
        kept = storable.result(list(args), self.hidden) if args else None
        if not self.has_secrets and isinstance(kept, list) and len(json.dumps(kept)) <= ARGUMENTS_BYTES:
            self._raised = kept

    def cancelled(self) -> bool:
        """Whether a cancel was requested or the attempt lost its job."""
        return self._stop is not None

    def stop(self, reason: type[Stopped]) -> None:
        """Make ``progress`` and ``log`` raise ``reason`` from now on. The pulse calls this."""
        self._stop = reason

    def hidden(self, text: str) -> str:
        """``text`` without the values of the job's secret parameters."""
        return hide(text, self._secrets)

    @property
    def has_secrets(self) -> bool:
        return bool(self._secrets)

    def has_news(self) -> bool:
        return self._progress != self._told or self._log_seq != self._told_seq or self.own_state is not self._told_state

    def take(self, most_lines: int = 1_000) -> ReportUpdate:
        """Take the collected updates, at most ``most_lines`` lines. Return them with ``put_back`` if writing fails."""
        with self._lock:
            lines, self._lines = self._lines[:most_lines], self._lines[most_lines:]
        self._told = self._progress
        state, said = self.own_state, dict[str, Any]()
        if self._raised is not None:
            said[RAISED] = [self.attempt, self._raised]
        if state is not None and (said or state is not self._told_state):
            said[STATE] = [self.attempt, *state]
        headers = {**self._headers, **said} if said else None
        self._told_state = state
        if lines:
            self._told_seq = lines[-1].seq
        done, total, note = self._told
        return ReportUpdate(done, total, storable.text(hide(note, self._secrets), 200), self._told_seq, lines, headers)

    def put_back(self, news: ReportUpdate) -> None:
        with self._lock:
            self._lines[:0] = news.lines
        self._told, self._told_state = (-1, -1, ""), None
        if news.lines:
            self._told_seq = news.lines[0].seq - 1

    def __enter__(self) -> "Report":
        _running[id(self)] = self
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
        _running.pop(id(self), None)


def current_report() -> Report:
    """The report of the job that runs here, also in threads of the job. Outside a job, a report that nobody reads."""
    found = _current.get()
    if found is None and len(_running) == 1:
        found = next(iter(_running.values()), None)
    return found or Report()


def _whole(number: Any) -> int:
    """Convert a progress value to a 64-bit integer, whatever a job passes."""
    try:
        return max(0, min(int(number), 2**63 - 1))
    except BaseException:  # a number of the job's own may raise what it likes
        return 0

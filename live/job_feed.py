"""One watched job in memory, shared by all its watchers: its detail, its attempts and the end of its log.

Pure: it takes what was read and writes the members of ``job`` frames. A watcher is a place (revision, last log line).
It gets all changes after its place merged. Lines that are no longer in memory are read again for it.
"""

from collections import deque
from typing import Any, NamedTuple

from live import frames

TAIL = 2_000  # log lines kept for each watched job
TAIL_BYTES = 512 * 1024
LINES = 1_000  # read at once
READY = 8  # frames kept for the next watcher at the same place
SHARED = (
    "params",
    "result",
    "result_tree",
    "attempts",
    "trail",
    "log",
)  # the parts of a detail with rules of their own
NEVER = 0  # the revision of a watcher who has seen nothing


class Follow(NamedTuple):
    """The place of one watcher: revision and last log line."""

    revision: int
    seq: int


class FeedLine(NamedTuple):
    seq: int
    text: str


class JobFeed:
    """The newest known data of one job. ``loaded`` is false until its first read."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.loaded = False
        self.summary: dict[str, Any] = {}
        self.revision = NEVER
        self.lines: deque[FeedLine] = deque()
        self.complete_after = 0  # every line of the log after this one, up to the last, is in memory
        self.last = 0
        self._bytes = 0
        self._parts: dict[str, tuple[str, int]] = {}  # name → text, revision of its last change
        self._ready: dict[Follow, tuple[str, Follow]] = {}

    @property
    def now(self) -> Follow:
        return Follow(self.revision, self.last)

    def behind(self, summary: dict[str, Any]) -> bool:
        """Whether a summary is newer than the data here."""
        mine = self.summary
        return self.loaded and (summary["version"] > mine["version"] or summary["log_seq"] > mine["log_seq"])

    def load(self, detail: dict[str, Any]) -> None:
        """Take a detail that was read, with the log lines after ``self.last`` (the first time: the last lines)."""
        self.summary = {name: detail[name] for name in detail if name not in SHARED}
        parts = {name: frames.dumps(frames.cut(value)) for name, value in self.summary.items()}
        parts |= {name: frames.value(detail.get(name)) for name in ("params", "result", "trail")}
        if "result_tree" in detail:
            parts["result_tree"] = frames.markup(detail["result_tree"])
        parts["attempts"] = frames.dumps(detail["attempts"])
        if len(parts["attempts"]) > frames.LIMIT // 2:
            parts["attempts"] = frames.dumps([attempt | {"traceback": None} for attempt in detail["attempts"]])
        changed = {name: text for name, text in parts.items() if self._parts.get(name, ("",))[0] != text}
        if changed:
            self.revision += 1
            self._parts |= {name: (text, self.revision) for name, text in changed.items()}
        for line in detail["log"]:
            self._append(line)
        self.loaded = True
        self._ready.clear()

    def starts_after(self, seq: int) -> None:
        """The first read of the log begins after this line."""
        self.complete_after = self.last = seq

    def due(self, follow: Follow) -> bool:
        return self.loaded and (follow.revision < self.revision or follow.seq < self.last)

    def has(self, seq: int) -> bool:
        """Is every line after this one in memory?"""
        return seq >= self.complete_after

    def news(self, follow: Follow, older: list[dict[str, Any]] | None = None) -> tuple[str, Follow]:
        """The ``job`` of a frame with what a watcher has missed, and the place it has reached with it.

        ``older`` are the lines after its place, read for it because they are no longer in memory.
        """
        if older is None and follow in self._ready:
            return self._ready[follow]
        members = [
            f'"{name}":{text}'
            for name, (text, at) in self._parts.items()
            if name in self.summary or at > follow.revision or follow.revision == NEVER
        ]
        if not any(member.startswith('"attempts"') for member in members):
            members.append('"attempts":[]')  # none that is new
        texts, seq = self._lines(follow.seq, older, frames.LIMIT - frames.HEAD - sum(map(len, members)) - len(members))
        members.append('"log":[' + ",".join(texts) + "]")
        answer = '"job":{' + ",".join(members) + "}", Follow(self.revision, seq)
        if older is None:
            if len(self._ready) >= READY:
                self._ready.clear()
            self._ready[follow] = answer
        return answer

    def _lines(self, seq: int, older: list[dict[str, Any]] | None, room: int) -> tuple[list[str], int]:
        """Lines after a number, as many as there is room for (one at least, or nobody would get further)."""
        texts: list[str] = []
        for line in self.lines if older is None else map(_line, older):
            if line.seq > seq:
                room -= len(line.text) + 1
                if room < 0 and texts:
                    break
                texts.append(line.text)
                seq = line.seq
        return texts, seq

    def _append(self, line: dict[str, Any]) -> None:
        if line["seq"] <= self.last:
            return
        written = _line(line)
        self.lines.append(written)
        self.last = written.seq
        self._bytes += len(written.text)
        while len(self.lines) > TAIL or self._bytes > TAIL_BYTES:
            oldest = self.lines.popleft()
            self.complete_after = oldest.seq
            self._bytes -= len(oldest.text)


def _line(line: dict[str, Any]) -> FeedLine:
    text = frames.dumps(line)
    if len(text) > frames.VALUE_LIMIT:
        text = frames.dumps(line | {"text": line["text"][: frames.TEXT_LIMIT] + "…"})
    return FeedLine(line["seq"], text)

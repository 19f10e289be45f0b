"""Compares what a worker counts with what was seen of it: its heartbeat is a checksum.

Pure. ``processed`` of a heartbeat is the number of tasks that its process has started, ``active`` of those that run. A
beat is judged when the next one has come, since it may overtake events that wait in the worker. Clocks are Lamport's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SILENT_S = 6.0  # three beats


class Beat(NamedTuple):
    clock: int
    processed: int
    active: int
    arrived: float


class Judgement(NamedTuple):
    """``unseen``: starts since the beat before that nobody saw. ``stale``: rows say more, or less, than truly runs."""

    unseen: int
    stale: bool


@dataclass(slots=True)
class Tally:
    """The count of one worker process. ``base``: starts before anybody looked, of what had ended; None: not known."""

    base: int | None = None
    is_guess: bool = False  # events that its first beat overtook may come still
    starts: int = 0  # seen, up to the last beat that was judged
    unseen: int = 0
    running: int = 0  # as the rows said at that beat
    heard: float = 0.0  # our own clock
    clock: int = 0
    told: float = 0.0  # its own clock, when it was last heard of
    offset: int = 0  # what its clock is behind: it was started again, and counts anew
    skew: float | None = None  # the least of arrival − timestamp that was seen
    moves: list[tuple[int, int, int]] = field(default_factory=list)  # (clock, starts, running) since then
    ahead: int = 0  # starts among them
    waiting: Beat | None = None
    differed: int = 0  # judged beats in a row in which ``running`` was wrong

    def hear(self, clock: int, arrived: float, at: float) -> None:
        self.heard, self.told, self.clock = max(self.heard, arrived), max(self.told, at), max(self.clock, clock)
        late = arrived - at
        self.skew = late if self.skew is None else min(late, self.skew)

    def restart(self, clock: int) -> None:
        """It was started again: it counts from 0, and runs nothing of what it ran. ``clock``: as it says it now."""
        if self.waiting is not None:  # else what was heard since this observer came is of the new one already
            self.starts, self.ahead, self.moves, self.waiting = self.seen(), 0, [], None
        self.base, self.is_guess, self.running, self.differed = -(self.starts + self.unseen), False, 0, 0
        self.offset = self.clock if clock <= self.clock else 0

    def started(self, clock: int) -> None:
        self._move(clock, 1, 1)

    def found(self) -> None:
        """Count a start that a look has found: its event comes later than those heard so far, or never."""
        self._move(self.clock + 1, 1, 1)

    def said(self, clock: int, found: int) -> None:
        """The event has come of a start that a look ``found`` at that clock, so it is not counted twice."""
        self._move(clock, 1, 1)
        self._move(found + 1, -1, -1)

    def heard_after_all(self, clock: int, found: int) -> None:
        """An event has come of a start that was counted by its result, and is counted like all others."""
        self._move(max(clock, found), -1, 0)

    def ended(self, clock: int, unseen_start: bool = False) -> None:
        """``unseen_start``: nobody saw it start, so that start is seen now, and it does not run any more."""
        self._move(clock, *((1, 0) if unseen_start else (0, -1)))

    def _move(self, clock: int, starts: int, running: int) -> None:
        self.moves.append((clock, starts, running))
        self.ahead += starts

    def beat(self, beat: Beat) -> Judgement | None:
        """Take a beat. Judges the one before it."""
        before, self.waiting = self.waiting, beat
        if before is None or beat.clock <= before.clock:
            if self.base is None:
                self.base, self.is_guess = (
                    self._base(beat, [move for move in self.moves if move[0] <= beat.clock]),
                    True,
                )
            return None
        until = [move for move in self.moves if move[0] <= before.clock]
        self.moves = [move for move in self.moves if move[0] > before.clock]
        judged = sum(starts for _, starts, _ in until)
        self.starts, self.ahead = self.starts + judged, self.ahead - judged
        self.running += sum(running for _, _, running in until)
        if self.is_guess or self.base is None:
            self.base, self.is_guess = self._base(before), False
        lost = before.processed - self.base - self.starts - self.unseen
        known, self.unseen = self.unseen, max(0, self.unseen + lost)  # less: a look found it, or its end came
        self.differed = self.differed + 1 if self.running != before.active else 0
        return Judgement(self.unseen - known, lost > 0 or self.differed >= 2)

    def _base(self, beat: Beat, more: Sequence[tuple[int, int, int]] = ()) -> int:
        """``more``: moves before that beat. What runs unseen is no part: a look finds it, or its end is said."""
        starts = self.starts + sum(starts for _, starts, _ in more)
        running = self.running + sum(running for _, _, running in more)
        return beat.processed - starts - max(0, beat.active - running)

    def seen(self) -> int:
        """Starts that were seen, those since the last judged beat too."""
        return self.starts + self.ahead

    def looked(self, running: int) -> None:
        """A look at the worker has put the rows right: ``running`` of them run there now."""
        self.running = running - sum(move for _, _, move in self.moves)
        self.differed = 0

    def is_silent(self, now: float) -> bool:
        return self.heard > 0 and now - self.heard > SILENT_S

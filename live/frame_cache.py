"""Writes the frames of the hub, each once for all sockets that need it. Their numbers rise in the whole process.

Knows the board and its age, no sockets. A frame contains its age, so a written frame is reused only for a short time.
"""

import time
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from live import frames
from live.board import Board, Place
from live.frames import Agreed

FRESH_S = 0.1
KEPT = 32  # slow readers may all be at places of their own


class Frame(NamedTuple):
    n: int
    text: str
    place: Place
    made: float


class FrameCache:
    """``agreed`` is asked for the age of the picture whenever something is written."""

    def __init__(self, agreed: Callable[[], Agreed]) -> None:
        self._agreed = agreed
        self._numbers = count(1)
        self._written: dict[tuple[Board, Place | None], Frame] = {}
        self._ends: dict[Board, Place] = {}

    def board(self, board: Board, place: Place | None, after: int) -> Frame:
        """The snapshot, or the patch that leads on from a place, with a number greater than ``after``."""
        if self._ends.get(board) != board.now:  # what was written leads to a place that is no longer the end
            self._ends[board] = board.now
            self._written = {key: frame for key, frame in self._written.items() if key[0] is not board}
        frame, now = self._written.get((board, place)), time.monotonic()
        if frame is None or frame.n <= after or now - frame.made > FRESH_S:
            news = board.snapshot() if place is None else board.since(place)
            n, kind = next(self._numbers), "snapshot" if news.whole else "patch"
            text = frames.frame(kind, n, *frames.age(now, self._agreed()), *news.members)
            if len(self._written) >= KEPT:
                self._written.clear()
            self._written[board, place] = frame = Frame(n, text, news.place, now)
        return frame

    def job(self, text: str) -> tuple[int, str]:
        n = next(self._numbers)
        return n, frames.frame("job", n, text)

    def gauge(self, text: str) -> tuple[int, str]:
        n = next(self._numbers)
        return n, frames.frame("gauge", n, text)

"""Whether the children of a worker still move, told through shared memory: a thread of each child counts the seconds.

Code that keeps the interpreter to itself (a regular expression may for hours), has stopped its process, or has put
another program in its place lets no thread of that process say or do anything. Only the worker's parent can see it.
"""

import mmap
import struct
import threading
import time
from collections.abc import Iterator, Mapping

from django.conf import settings

FORM = struct.Struct("qqd")  # of a child: its process id, what it has counted, for how long it may stand still
TICK_S = 1.0
LEASES = 2  # after one an attempt counts as lost, after so many its process is ended


class Board:
    """The counts of a worker's children, and how long its parent has seen each stand still."""

    def __init__(self, children: int) -> None:
        self.children = children
        self._counts = mmap.mmap(-1, FORM.size * children)
        self._seen: dict[int, tuple[int, int, float]] = {}
        self._looked = time.monotonic()

    def write(self, index: int, pid: int, count: int, patience: float) -> None:
        FORM.pack_into(self._counts, FORM.size * index, pid, count, patience)

    def still(self, children: Mapping[int, int]) -> Iterator[tuple[int, float]]:
        """The places of those that stand still for too long, and for how many seconds.

        While the parent itself stood still, as in a machine that sleeps, everybody did: that counts as a moment.
        """
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, TICK_S), now
        before, self._seen = self._seen, {}
        for index, pid in children.items():
            its, count, patience = FORM.unpack_from(self._counts, FORM.size * index if index < self.children else 0)
            if its != pid:  # it has only begun
                continue
            *known, stood = before.get(index, (0, 0, 0.0))
            stood = stood + passed if known == [pid, count] else 0.0
            self._seen[index] = (pid, count, stood)
            if stood >= patience:
                del self._seen[index]
                yield index, stood


# --- a child's own ---------------------------------------------------------------------------------------------

board: Board | None = None  # of this worker, made before its children are forked


class Counter(threading.Thread):
    """Counts as long as this process runs Python."""

    def __init__(self, index: int, pid: int) -> None:
        super().__init__(name="signalbox-alive", daemon=True)
        self._index, self._pid, self._count, self._wait = index, pid, 0, threading.Event().wait
        self._patience = 0.0
        self.allow(None)

    def allow(self, lease: float | None) -> None:
        """For the job that begins: whose kind may hold the interpreter for so long, or for as long as others."""
        self._patience = LEASES * (lease or settings.SIGNALBOX_LEASE_S)
        self._say()

    def run(self) -> None:
        while not self._wait(TICK_S):
            self._count += 1
            self._say()

    def _say(self) -> None:
        board.write(self._index, self._pid, self._count, self._patience)


_counter: Counter | None = None


def share(children: int) -> None:
    """Make the memory that the children of this process will share with it."""
    global board
    board = Board(children)


def join(index: int, pid: int) -> None:
    """This process is a child with a place."""
    global _counter
    _counter = None
    if board and index < board.children:
        _counter = Counter(index, pid)
        _counter.start()


def allow(lease: float | None) -> None:
    if _counter is not None:
        _counter.allow(lease)

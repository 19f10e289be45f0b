"""Writers of one SQLite database take turns before they ask it.

SQLite has one writer at a time. Who finds it busy sleeps for 1, 2, 5, 10 … 100 ms, whatever the other one takes: two
processes of a worker spent a quarter of their time so. A lock of the kernel on the database's folder is asked for in
shorter steps. It is a courtesy and no guard: who does not get it soon writes all the same, and it goes with its
process.
"""

import fcntl
import os
import time
from contextlib import suppress
from typing import NamedTuple

STEP_S, LONGEST_STEP_S = 0.00005, 0.002  # between two tries
PATIENCE_S = 0.25  # a request that is refused because the database is locked must hear so soon
REST_S = 5.0  # without turns, after somebody had one for longer than that


class Turn(NamedTuple):
    """The right to write now: an open descriptor of the folder, and which file it is."""

    descriptor: int
    file: tuple[int, int]


_opened: dict[str, tuple[int, Turn]] = {}  # by folder; the process that opened it
_rests: dict[str, float] = {}  # until when, by this process's clock


def take(folder: str) -> Turn | None:
    """Wait for the turn; None if it cannot be had. Threads of one process have it together."""
    if time.monotonic() < _rests.get(folder, 0.0) or (turn := _turn(folder)) is None:
        return None
    step, until = STEP_S, time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(turn.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return turn
        except BlockingIOError:
            pass
        except OSError:  # a file system without such locks
            _rests[folder] = float("inf")
            return None
        if time.monotonic() > until:
            _rests[folder] = time.monotonic() + REST_S
            return None
        time.sleep(step)
        step = min(step * 1.1, LONGEST_STEP_S)


def give_back(turn: Turn) -> None:
    if _file(turn.descriptor) == turn.file:
        with suppress(OSError):
            fcntl.flock(turn.descriptor, fcntl.LOCK_UN)


def _turn(folder: str) -> Turn | None:
    """A process that was forked opens the folder itself: with its parent's descriptor it would have its parent's turn.

    A job may close all descriptors, and its own files may have the number then.
    """
    process, turn = _opened.get(folder, (0, None))
    if turn is None or process != os.getpid() or _file(turn.descriptor) != turn.file:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError:
            return None
        turn = Turn(descriptor, _file(descriptor) or (0, 0))
        _opened[folder] = os.getpid(), turn
    return turn


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino

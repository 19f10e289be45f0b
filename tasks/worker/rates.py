"""Rate limits: for each worker a bucket with room for one token, asked before a claim, as Celery has it for messages.

The buckets lie in memory that all processes of a worker share. A kind without a token is left out of the claim, so
jobs of other kinds go on; when its next token is due, the worker's parent calls a process.
"""

import fcntl
import mmap
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from celery.utils.time import rate

from tasks.engine import registry

NONE: frozenset[str] = frozenset()


class Buckets:
    """When each kind with a rate limit may start its next job, by the monotonic clock of the machine."""

    def __init__(self, kinds: list[registry.Kind]) -> None:
        self.every = {kind.name: 1 / rate(kind.rate_limit) for kind in kinds}  # seconds between two starts
        self._place = {kind.name: 8 * n for n, kind in enumerate(kinds)}
        self._next = mmap.mmap(-1, 8 * len(kinds) or 1)
        # Taken by a process of a worker for a claim. The kernel frees it when the process dies.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as the worker lives
        self._thread = threading.Lock()

    def next_at(self, kind: str) -> float:
        return struct.unpack_from("d", self._next, self._place[kind])[0]

    def take(self, kind: str) -> None:
        if kind in self._place:
            struct.pack_into("d", self._next, self._place[kind], time.monotonic() + self.every[kind])

    def empty(self) -> frozenset[str]:
        now = time.monotonic()
        return frozenset(kind for kind in self._place if self.next_at(kind) > now)

    @contextmanager
    def turn(self) -> Iterator[frozenset[str]]:
        """Around a claim: the kinds without a token. While any has one, processes take turns, or two would use it."""
        if len(empty := self.empty()) == len(self._place):
            yield empty
            return
        with self._thread:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield self.empty()
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


buckets: Buckets | None = None  # of this worker; None where nothing has a rate limit


def share() -> None:
    """Make the buckets of a worker, before its children are forked."""
    global buckets
    rated = [kind for kind in registry.kinds() if kind.rate_limit and rate(kind.rate_limit)]
    buckets = Buckets(rated) if rated else None


@contextmanager
def turn() -> Iterator[frozenset[str]]:
    """Around a claim: the kinds that may start nothing now."""
    if buckets is None:
        yield NONE
    else:
        with buckets.turn() as empty:
            yield empty


def take(kind: str) -> None:
    if buckets is not None:
        buckets.take(kind)

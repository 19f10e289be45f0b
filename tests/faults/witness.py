"""A witness who reads the job table over and over, so that the checker knows when a version was there at the latest.

``finished_at`` is stamped before its commit, which may have to wait; only a reader knows that something was committed.
"""

import contextlib
import sqlite3
import threading
import time
from collections import defaultdict

import psycopg

from tests.faults.truth import Truth, plain

EVERY_S = 0.1
NEWEST = 2_000  # jobs: so much is read in a few milliseconds, however long the rig has run


class Witness(threading.Thread):
    """``since[job]``: each version that was seen, oldest first, and the wall clock right after that read."""

    def __init__(self, url: str) -> None:
        super().__init__(name="faults-witness", daemon=True)
        self.since: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self.taken_back: list[str] = []
        self.reads = 0
        self._truth, self._over = Truth(url), threading.Event()

    def run(self) -> None:
        while not self._over.wait(EVERY_S):
            with contextlib.suppress(psycopg.Error, sqlite3.Error):  # the database is away: nothing can be witnessed
                self._look()

    def _look(self) -> None:
        rows = self._truth.read(f"SELECT uid, version FROM tasks_job ORDER BY id DESC LIMIT {NEWEST}")
        read = time.time()
        self.reads += 1
        for uid, version in rows:
            known = self.since[plain(uid)]
            if not known or known[-1][0] < version:
                known.append((version, read))
            elif known[-1][0] > version:
                self.taken_back.append(f"{plain(uid)}: {known[-1]} → {version}")

    def version(self, job: str, at: float) -> int:
        """The version that the job had reached by then, for certain; 0 if nobody looked."""
        return next((version for version, seen in reversed(self.since.get(job, ())) if seen <= at), 0)

    def close(self) -> None:
        self._over.set()
        self.join(30)
        self._truth.close()

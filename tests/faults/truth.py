"""What the database says, read by the rig itself: plain SQL on a connection of its own, past the proxy and the ORM."""

import contextlib
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg

FINAL = ("succeeded", "failed", "cancelled")


class Row(NamedTuple):
    id: int
    uid: str
    kind: str
    state: str
    version: int
    attempt: int
    failures: int
    max_attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    key: str | None
    worker: str


class Attempt(NamedTuple):
    job: int
    number: int
    outcome: str
    started_at: datetime | None
    finished_at: datetime


class Truth:
    def __init__(self, url: str) -> None:
        self.url, self._link = url, None

    @staticmethod
    def answers(url: str) -> bool:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of one SELECT; tries again on a connection that meanwhile died."""
        for last in (False, True):
            try:
                return self._connected().execute(sql).fetchall()
            except (psycopg.OperationalError, sqlite3.OperationalError):
                self.close()
                if last:
                    raise
        raise AssertionError("unreachable")

    def write(self, sql: str) -> None:
        self._connected().execute(sql)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold SQLite's one write lock, as a backup or a person with a shell does."""
        link = sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None, timeout=20)
        link.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            link.execute("ROLLBACK")
            link.close()

    def end_connections(self) -> None:
        """PostgreSQL ends everybody's connections but this one."""
        self.read(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    def jobs(self) -> dict[str, Row]:
        columns = (
            "id, uid, kind, state, version, attempt, failures, max_attempts, created_at, started_at, finished_at,"
            " idempotency_key, worker"
        )
        rows = [self._clean(row) for row in self.read(f"SELECT {columns} FROM tasks_job ORDER BY id")]
        return {row[1]: Row(*row) for row in rows}

    def attempts(self) -> list[Attempt]:
        columns = "job_id, number, outcome, started_at, finished_at"
        rows = self.read(f"SELECT {columns} FROM tasks_attempt ORDER BY job_id, number, id")
        return [Attempt(*self._clean(row, uid=None)) for row in rows]

    def traces(self) -> list[tuple[str, int]]:
        return self.read("SELECT job, attempt FROM faults_trace")

    def unfinished(self) -> int:
        return self.read("SELECT count(*) FROM tasks_job WHERE state NOT IN ('succeeded', 'failed', 'cancelled')")[0][0]

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connected(self) -> Any:
        if self._link is None:
            if self.url.startswith("sqlite"):
                path = self.url.removeprefix("sqlite:///")
                self._link = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
            else:
                self._link = psycopg.connect(self.url, autocommit=True, connect_timeout=5)
        return self._link

    def _clean(self, row: tuple[Any, ...], uid: int | None = 1) -> list[Any]:
        values = list(row)
        if uid is not None:
            values[uid] = plain(values[uid])
        return [_moment(value) for value in values]


def plain(uid: Any) -> str:
    """A job's id as everybody else writes it: SQLite keeps it without hyphens."""
    return str(uuid.UUID(str(uid)))


def _moment(value: Any) -> Any:
    """SQLite keeps instants as text in UTC."""
    if isinstance(value, str) and len(value) >= 19 and value[4:5] == "-" and value[10:11] == " ":
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value

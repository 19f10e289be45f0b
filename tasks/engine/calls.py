"""Which jobs any message of their queue can start, which only their own, and which queue has the most urgent one.

docs/lifecycle.md says how a message calls a process of a worker.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from tasks.engine import registry

WAITING = "app = '' AND state = 'queued' AND serial_key = ''"
NOT_PAUSED = "NOT EXISTS (SELECT 1 FROM tasks_queue WHERE name = %s AND paused)"  # asked once, and not for each row
NOT_EXPIRED = "(expires_at IS NULL OR expires_at > %s)"
FIRST = "ORDER BY priority DESC, id LIMIT 1"
# The same order, by the index job_next: by job_queued a claim would pass all jobs with serial keys, each time. SQLite
# is told (``table``); for PostgreSQL it is the only one that has the last column too, without which it would sort.
NEXT = "ORDER BY priority DESC, id, kind LIMIT 1"
SKIP_LOCKED = {"postgresql": " FOR UPDATE SKIP LOCKED", "sqlite": ""}  # a job that is being claimed is not waited for


def has_own_messages(name: str) -> bool:
    """Whether only its own message starts a job of that kind.

    A job with a serial key gets one when its turn comes.
    """
    kind = registry.find(name)
    return kind is None or bool(kind.serial_key)


def called() -> list[str]:
    """The names of the kinds whose jobs any idle worker process may start."""
    return [kind.name for kind in registry.kinds() if not has_own_messages(kind.name)]


def rated() -> list[str]:
    """The names of those kinds among them that have a rate limit."""
    return [name for name in called() if registry.get(name).rate_limit]


class Head(NamedTuple):
    """The most urgent job of a queue that any process may start, as far as a message for it needs to know."""

    uid: UUID
    kind: str
    queue: str
    priority: int
    serial_key: str = ""  # jobs with one have messages of their own


def heads(queues: Sequence[str]) -> list[Head]:
    """The head of each of these queues that is not paused and in which a job waits, serial keys aside."""
    if not queues:
        return []
    some = f"FROM {table()} WHERE queue = %s AND {WAITING} AND {NOT_PAUSED} {NEXT}"
    head = f"SELECT uid, kind, queue, priority {some}"
    with connection.cursor() as cursor:
        cursor.execute(_one_of_each([head] * len(queues)), [each for queue in queues for each in (queue, queue)])
        return [Head(UUID(str(uid)), *rest) for uid, *rest in cursor.fetchall()]


def next_of(queues: Sequence[str], kinds: Sequence[str], clock: datetime) -> tuple[str, list[Any]]:
    """The subselect that finds the id of the next job of these kinds at this moment, and its arguments.

    It takes the queue whose head is the most urgent; among equal ones, the first in ``queues``. If another process
    takes that very job in the same moment, it finds the next one of that queue, or none.
    """
    several = [value for name in queues for value in (name, clock, name)] if len(queues) > 1 else list(queues)
    return _next_of(len(queues), tuple(kinds)), [*several, clock]


@lru_cache(maxsize=64)
def _next_of(queues: int, kinds: tuple[str, ...]) -> str:
    # Names of kinds come from code. As constants of the statement they are sent and looked at once for a connection.
    named = ", ".join("'{}'".format(kind.replace("'", "''").replace("%", "%%")) for kind in kinds)
    startable, queue = f"{WAITING} AND kind IN ({named}) AND {NOT_EXPIRED}", "%s"
    if queues > 1:
        head = f"FROM {table()} WHERE queue = %s AND {startable} AND {NOT_PAUSED} {NEXT}"
        found = [f"SELECT queue, priority, {place} AS place {head}" for place in range(queues)]
        queue = f"(SELECT queue FROM ({_one_of_each(found)}) AS heads ORDER BY priority DESC, place LIMIT 1)"  # noqa: S608
    found = f"SELECT id FROM {table()} WHERE queue = {queue} AND {startable} {NEXT}"  # noqa: S608
    return f"({found}{SKIP_LOCKED[connection.vendor]})"


@cache
def table() -> str:
    """The table, and for SQLite the index, which a database that an earlier version has made may not have."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = 'job_next'")
            if cursor.fetchone():
                return "tasks_job INDEXED BY job_next"
    return "tasks_job"


def _one_of_each(selects: Sequence[str]) -> str:
    """SQLite takes no ORDER BY inside a UNION but in a subselect, and PostgreSQL wants a name for each."""
    return " UNION ALL ".join(f"SELECT * FROM ({select}) AS of_{n}" for n, select in enumerate(selects))  # noqa: S608

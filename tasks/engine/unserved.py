"""What nobody runs: rows of a kind that nobody knows, queued jobs whose kind or queue no live worker has.

A kind is unknown when its function was renamed or deleted, shares its name with another now, or stands in a module that
nobody imports.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from tasks.engine import registry
from tasks.engine.models import Worker
from tasks.engine.transition import now

MOST = 20  # names that a sentence lists
LOOKED_AT = 20_000  # queued jobs: a million waiting ones are not read every few seconds

# One step of the index for each kind, however many rows there are: neither database skips by itself.
KINDS = (
    "WITH RECURSIVE each(kind) AS (SELECT MIN(kind) FROM tasks_job UNION ALL"
    " SELECT (SELECT MIN(kind) FROM tasks_job WHERE tasks_job.kind > each.kind) FROM each WHERE each.kind IS NOT NULL)"
    " SELECT kind, (SELECT app FROM tasks_job WHERE tasks_job.kind = each.kind ORDER BY id LIMIT 1),"
    " (SELECT app FROM tasks_job WHERE tasks_job.kind = each.kind ORDER BY id DESC LIMIT 1)"
    " FROM each WHERE kind IS NOT NULL"
)

WAITING = (
    "SELECT DISTINCT kind, queue FROM"
    " (SELECT kind, queue FROM tasks_job WHERE app = '' AND state = 'queued' LIMIT %s) AS waiting"
)


def unknown_kinds() -> list[str]:
    """The names of kinds that rows of ours have and nobody knows, at most MOST.

    The first and the last row of a kind show whether it is ours: kinds of watched applications are not.
    """
    with connection.cursor() as cursor:
        cursor.execute(KINDS)
        ours = [kind for kind, first, last in cursor.fetchall() if "" in (first, last)]
    return [name for name in ours if not _is_known(name)][:MOST]


def _is_known(name: str) -> bool:
    """A dotted name that a kind answers to is not what its rows are called: they are not found under it."""
    return registry.find(name) is not None and registry.own_name(name) == name


class Unserved(NamedTuple):
    """Of queued jobs: kinds that no live worker knows, and queues that none serves."""

    kinds: frozenset[str]
    queues: frozenset[str]


def alive() -> QuerySet[Worker]:
    return Worker.objects.filter(stopped_at=None, seen_at__gte=now() - timedelta(seconds=settings.SIGNALBOX_LEASE_S))


def find() -> Unserved:
    """Nothing while no worker is alive at all, which is another trouble. A worker of an older release says no kinds."""
    workers = list(alive().values_list("queues", "kinds"))
    if not workers:
        return Unserved(frozenset(), frozenset())
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [LOOKED_AT])
        waiting = set(cursor.fetchall())
    kinds = {kind for kind, _ in waiting} - _names(kinds for _, kinds in workers)
    queues = {queue for _, queue in waiting} - _names(queues for queues, _ in workers)
    complete = all(isinstance(kinds, list) for _, kinds in workers)
    return Unserved(frozenset(kinds) if complete else frozenset(), frozenset(queues))


def _names(lists: Iterable[object]) -> set[str]:
    return {name for each in lists if isinstance(each, list) for name in each if isinstance(name, str)}

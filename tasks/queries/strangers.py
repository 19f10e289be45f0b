"""Kinds that rows name and that nobody knows: a function was renamed, deleted, or shares its name with another now."""

import time

from django.db import connection

from tasks.engine import registry

KEPT_S = 30.0  # a page does not ask more often
MOST = 20

# One step of the index for each kind, however many rows there are: neither database skips by itself.
KINDS = (
    "WITH RECURSIVE each(kind) AS (SELECT MIN(kind) FROM tasks_job UNION ALL"
    " SELECT (SELECT MIN(kind) FROM tasks_job WHERE tasks_job.kind > each.kind) FROM each WHERE each.kind IS NOT NULL)"
    " SELECT kind FROM each WHERE kind IS NOT NULL"
)
_found: tuple[float, list[str]] = (float("-inf"), [])


def unknown_kinds() -> list[str]:
    """The names of such kinds, at most MOST, as this process has seen them in the last half minute."""
    global _found
    at, kinds = _found
    if time.monotonic() - at > KEPT_S:
        kinds = read_unknown_kinds()
        _found = time.monotonic(), kinds
    return kinds


def read_unknown_kinds() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(KINDS)
        named = [name for (name,) in cursor.fetchall()]
    return [name for name in named if registry.find(name) is None or registry.own_name(name) != name][:MOST]

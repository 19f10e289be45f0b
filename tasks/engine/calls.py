"""Which jobs any message of their queue can start, which only their own, and which queue has the most urgent one.

docs/lifecycle.md says how a message calls a process of a worker.
"""

from collections.abc import Sequence, Set

from django.db import connection

from tasks.engine import registry


def has_own_messages(name: str) -> bool:
    """Whether only its own message starts a job of that kind.

    A job with a serial key gets one when its turn comes.
    """
    kind = registry.find(name)
    return kind is None or bool(kind.serial_key)


def called() -> list[str]:
    """The names of the kinds whose jobs any worker process may start that has nothing else to do."""
    return [kind.name for kind in registry.kinds() if not has_own_messages(kind.name)]


def rated() -> list[str]:
    """The names of those kinds among them that have a rate limit."""
    return [name for name in called() if registry.get(name).rate_limit]


def heads(queues: Sequence[str], without: Set[str] = frozenset()) -> dict[str, int]:
    """The highest priority among the jobs that wait in each of these queues, where any does, serial keys aside.

    ``without``: kinds that start nothing now.
    """
    if not queues:
        return {}
    others = f" AND kind NOT IN ({', '.join(['%s'] * len(without))})" if without else ""
    head = (
        "(SELECT priority FROM tasks_job WHERE app = '' AND state = 'queued' AND serial_key = ''"  # noqa: S608 - constants
        f" AND queue = %s{others} ORDER BY priority DESC, id LIMIT 1)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join([head] * len(queues))}", [each for queue in queues for each in (queue, *without)]
        )
        found = cursor.fetchone()
    return {queue: priority for queue, priority in zip(queues, found, strict=True) if priority is not None}

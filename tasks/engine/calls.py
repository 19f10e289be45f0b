"""Which jobs any message of their queue can start, which only their own, and which queue has the most urgent one.

docs/lifecycle.md says how a message calls a process of a worker.
"""

from collections.abc import Sequence

from django.db import connection

from tasks.engine import registry


def has_own_messages(name: str) -> bool:
    """Whether only its own message starts a job of that kind.

    Celery times and counts messages, so a kind with a limit has one for each job. A job with a serial key gets one when
    its turn comes.
    """
    kind = registry.find(name)
    return kind is None or bool(kind.serial_key) or is_limited(kind)


def is_limited(kind: registry.Kind) -> bool:
    """Whether Celery times the messages of a kind or counts them. Limits for all tasks are each kind's own by then."""
    return bool(kind.time_limit or kind.soft_time_limit or kind.rate_limit)


def called() -> list[str]:
    """The names of the kinds whose jobs any worker process may start that has nothing else to do."""
    return [kind.name for kind in registry.kinds() if not has_own_messages(kind.name)]


def heads(queues: Sequence[str]) -> dict[str, int]:
    """The highest priority among the jobs that wait in each of these queues, where any does, serial keys aside."""
    if not queues:
        return {}
    head = (
        "(SELECT priority FROM tasks_job WHERE app = '' AND state = 'queued' AND serial_key = '' AND queue = %s"
        " ORDER BY priority DESC, id LIMIT 1)"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([head] * len(queues))}", list(queues))
        found = cursor.fetchone()
    return {queue: priority for queue, priority in zip(queues, found, strict=True) if priority is not None}

"""Which jobs any message of their queue can start, and which only their own.

docs/lifecycle.md says how a message calls a process of a worker.
"""

from tasks.engine import registry
from tasks.engine.celery_app import app


def has_own_messages(name: str) -> bool:
    """Whether only its own message starts a job of that kind.

    Celery times and counts messages, so a kind with a limit has one for each job. A job with a serial key gets one when
    its turn comes.
    """
    kind = registry.find(name)
    return kind is None or bool(kind.serial_key) or is_limited(kind)


def is_limited(kind: registry.Kind) -> bool:
    """Whether Celery times the messages of a kind or counts them: by limits of its own, or by those of all tasks."""
    conf = app.conf
    everywhere = conf.task_time_limit or conf.task_soft_time_limit or conf.task_default_rate_limit
    return bool(kind.time_limit or kind.soft_time_limit or kind.rate_limit or everywhere)


def called() -> list[str]:
    """The names of the kinds whose jobs any worker process may start that has nothing else to do."""
    return [kind.name for kind in registry.kinds() if not has_own_messages(kind.name)]

"""What is said of tasks after their definition: by Celery's settings (limits for all, ``task_annotations``), or by code
that sets an attribute of a task.

Celery itself applies them where it runs a task. A kind says them too, for readers and for what decides by them.
"""

from celery.app.annotations import prepare, resolve_all

from tasks.engine import registry, routing
from tasks.engine.celery_app import app

BY_CODE = frozenset({"queue", "priority", "time_limit", "soft_time_limit", "rate_limit"})  # what code may set on a task


def settle_all() -> None:
    """Let kinds say what their tasks are held to: limits, and what annotations say of queue, priority and attempts."""
    conf = app.conf
    common = {"time_limit": conf.task_time_limit, "soft_time_limit": conf.task_soft_time_limit}
    settle_common({**common, "rate_limit": conf.task_default_rate_limit})
    for kind in registry.kinds() if conf.task_annotations else ():
        for found in resolve_all(prepare(conf.task_annotations), app.tasks[kind.celery_name]):
            for name, value in found.items():
                settle(kind, name, value)


def settle_common(limits: dict[str, object]) -> None:
    """Give limits for all tasks to the kinds that have none of their own."""
    for name, value in limits.items():
        for kind in registry.kinds() if value is not None else ():
            if getattr(kind, name) is None:
                settle(kind, name, value)


def settle(kind: registry.Kind, name: str, value: object) -> None:
    """Let a kind have what was said of its task. TypeError or ValueError for what it cannot be."""
    if name == "max_retries":
        kind.max_attempts = registry.ENDLESS if value is None else 1 + value
    elif name == "priority":
        kind.priority = routing.PRIORITY if value is None else value
    elif name in ("time_limit", "soft_time_limit", "rate_limit"):
        setattr(kind, name, value)
    elif name == "queue":
        named = routing.queue_name(value)
        kind.queue, kind.routed = named or kind.queue, named is None
        routing.settle(kind)
    kind.__post_init__()

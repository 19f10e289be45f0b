"""``task_annotations`` of Celery's settings, for what a kind says of itself: Celery sets the attributes of tasks."""

from celery.app.annotations import prepare, resolve_all

from tasks.engine import registry
from tasks.engine.celery_app import app


def settle_all() -> None:
    """Let kinds say what the annotations of their tasks say: queue, priority, limits and number of attempts."""
    for kind in registry.kinds() if app.conf.task_annotations else ():
        for found in resolve_all(prepare(app.conf.task_annotations), app.tasks[kind.celery_name]):
            for name, value in found.items():
                settle(kind, name, value)


def settle(kind: registry.Kind, name: str, value: object) -> None:
    if name == "max_retries":
        object.__setattr__(kind, "max_attempts", 1_000_000 if value is None else 1 + value)
    elif name in ("time_limit", "soft_time_limit", "priority"):
        object.__setattr__(kind, name, value)
    elif name == "queue":
        object.__setattr__(kind, "queue", str(value))
        object.__setattr__(kind, "routed", False)

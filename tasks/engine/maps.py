"""What Celery's ``task.map(…)`` and ``task.starmap(…)`` ask for: one job that calls a kind with each of many items.

The kinds that do it stand in tasks.kinds.mapped.
"""

from collections.abc import Mapping
from typing import Any

from tasks.engine import registry, routing

NAMES = ("celery.map", "celery.starmap")  # of Celery's own tasks


def called_by(task: str | Mapping[str, Any]) -> str:
    """The name of the task that a map calls, of what Celery gives for it."""
    return task if isinstance(task, str) else task["task"]


def plan(call: Mapping[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a job that calls a kind for each of many items. It waits in the queue of that kind.

    TypeError: each call of that kind is to be a job of its own. UnknownKind: it is a plain Celery task.
    """
    kind = registry.get(called_by(call["task"]))
    kept = {
        "a secret": kind.signature.secrets,
        "a serial_key": kind.serial_key,
        'on_lost="fail"': kind.on_lost == "fail",
        'effects="once"': kind.effects == "once",
    }
    if why := next((each for each, has in kept.items() if has), None):
        raise TypeError(f"{kind.name} has {why}, so each call is a job of its own: make a group of {kind.name}.s(…).")
    params = {"task": kind.name, "it": list(call["it"])}
    if not options.get("queue"):
        options["queue"], _ = routing.destination(kind, params)
    return params

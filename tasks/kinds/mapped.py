"""What Celery's own tasks ``celery.map`` and ``celery.starmap`` do, as kinds: one job calls a task with each item.

``task.map(…)``, ``task.starmap(…)`` and ``task.chunks(…)`` ask for them. Each call is a plain one, as in Celery.
"""

from collections.abc import Callable
from typing import Any

from celery import Task

from tasks.base import job
from tasks.engine import maps, registry
from tasks.engine.celery_app import app
from tasks.engine.report import current_report

CELERYS_OWN = ("route_name", "task_type", "result_cls", "shadow")  # options with which Celery calls its own tasks


class CallsEach(Task):
    """Keeps the name of the task, of the signature that Celery gives."""

    abstract = True

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        known = {name: value for name, value in options.items() if name not in CELERYS_OWN}
        return super().apply_async(args, maps.plan(kwargs or {}, known), **known)


@job(base=CallsEach, title="{task}")
def map_task(task: str, it: list[Any]) -> list[Any]:
    """Call a task with each item, one after the other."""
    return _results(task, it, lambda called, item: called(item))


@job(base=CallsEach, title="{task}")
def starmap_task(task: str, it: list[Any]) -> list[Any]:
    """Call a task with the arguments that each item is, one after the other."""
    return _results(task, it, lambda called, item: called(*item))


for name, task in zip(maps.NAMES, (map_task, starmap_task), strict=True):
    registry.stand_for(name, task.kind)


def _results(task: str, it: list[Any], call: Callable[[Any, Any], Any]) -> list[Any]:
    called, results = app.tasks[task], []
    for item in it:
        results.append(call(called, item))
        current_report().progress(len(results), len(it))
    return results

"""What code that writes jobs imports: the decorator, what a job may use, and ``take`` for a Celery app.

from tasks.base import job

Each name is loaded at its first use, since a project's ``celery.py`` calls ``take`` before Django is set up.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.core.exceptions import AppRegistryNotReady

from tasks.engine.adoption import take

if TYPE_CHECKING:
    from tasks.engine.effects import once
    from tasks.engine.report import Cancelled, Report, current_report
    from tasks.fetch.fetcher import Fetcher
    from tasks.params.signature import File, Ref, Secret, Url
    from tasks.worker.task import JobTask, job

__all__ = [
    "Cancelled", "Fetcher", "File", "JobTask", "Ref", "Report", "Secret", "Url", "current_report", "job", "once",
    "take",
]  # fmt: skip

EARLY = "before Django's apps are loaded: @job stands in a module `tasks` of an app. For tasks in celery.py, take(app)."
_HOMES = {
    "tasks.engine.effects": ("once",),
    "tasks.engine.report": ("Cancelled", "Report", "current_report"),
    "tasks.fetch.fetcher": ("Fetcher",),
    "tasks.params.signature": ("File", "Ref", "Secret", "Url"),
    "tasks.worker.task": ("JobTask", "job"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            try:
                return getattr(import_module(home), name)
            except AppRegistryNotReady:
                raise AppRegistryNotReady(f"{__name__} has no {name} {EARLY}") from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

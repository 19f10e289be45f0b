"""Our Celery app: it knows each kind by all of its names, and what is sent by name becomes a row too."""

from difflib import get_close_matches
from typing import Any

from celery import Celery
from celery.app.registry import TaskRegistry

from tasks.engine import registry


class Tasks(TaskRegistry):
    """The tasks by Celery's names. ``tasks["function"]`` finds the task of a kind by the kind's own name too."""

    def __missing__(self, name: str) -> Any:
        kind = registry.find(name)
        if kind is None or kind.celery_name == name or kind.celery_name not in self:
            raise self.NotRegistered(name)
        return self[kind.celery_name]

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except self.NotRegistered:
            return default


class App(Celery):
    registry_cls = Tasks

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Ask by name: a job of the kind that answers to it. A plain task is sent as by Celery.

        UnknownKind for a name that this process does not know: no worker of ours could run the message.
        """
        if registry.knows(name):
            return self.tasks[name].apply_async(args, kwargs, **options)
        if name not in self.tasks:
            said = f"there is no kind of job and no task named {name!r}{near(name)}"
            raise registry.UnknownKind(f"Nothing was sent: {said}.")
        return super().send_task(name, args, kwargs, **options)


def near(name: str) -> str:
    """A name that may have been meant, as the end of a sentence."""
    meant = get_close_matches(str(name)[:200], registry.names(), 1)
    return f" (perhaps {meant[0]} is meant)" if meant else ""

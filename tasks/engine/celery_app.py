"""The Celery app of this product. Our code names it, as another application of the process may be Celery's current one.

project.celery configures it.
"""

from difflib import get_close_matches
from typing import Any

from celery import Celery, _state
from celery.app.registry import TaskRegistry
from celery.fixups.django import DjangoFixup
from django.conf import settings

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


class Signalbox(Celery):
    """An app whose broker is ours. Celery reads CELERY_BROKER_URL of the environment for every app of a process."""

    registry_cls = Tasks

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Ask by name: a job of the kind that answers to it. A plain task is sent as by Celery.

        UnknownKind for a name that this process does not know: no worker of ours could run the message.
        """
        if registry.knows(name):
            return self.tasks[registry.celery_name(name)].apply_async(args, kwargs, **options)
        if name not in self.tasks:
            said = f"there is no kind of job and no task named {name!r}{near(name)}"
            raise registry.UnknownKind(f"Nothing was sent: {said}.")
        return super().send_task(name, args, kwargs, **options)

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_read(url or settings.SIGNALBOX_BROKER_URL, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_write(url or settings.SIGNALBOX_BROKER_URL, **options)


def use_django(made: Celery) -> DjangoFixup:
    """Celery uses it only where the environment names the settings already; `-A project` sets them later."""
    return DjangoFixup(made).install()


RESULTS, CONTROL = "tasks.worker.results:NoResults", "tasks.worker.control:Control"
_before = _state.default_app
app = Signalbox("signalbox", set_as_current=False, backend=RESULTS, control=CONTROL, fixups=[use_django])
_state.default_app = _before  # Celery's fixup for Django would take the first app of a process for everybody's


def is_ours(other: object) -> bool:
    """Whether a signal is about this app. Signals of Celery reach every application in the process."""
    return other is app


def serve_all() -> None:
    """Become the app of plain Celery tasks, where the process has no other app."""
    if _state.default_app is None and _state._tls.current_app is None:
        app.set_default()


def near(name: str) -> str:
    """A name that may have been meant, as the end of a sentence."""
    meant = get_close_matches(str(name)[:200], registry.names(), 1)
    return f" (perhaps {meant[0]} is meant)" if meant else ""

"""The Celery app of this product. Our code names it, as another application of the process may be Celery's current one.

project.celery configures it.
"""

from typing import Any

from celery import Celery, _state
from django.conf import settings


class Signalbox(Celery):
    """An app whose broker is ours. Celery reads CELERY_BROKER_URL of the environment for every app of a process."""

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_read(url or settings.SIGNALBOX_BROKER_URL, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_write(url or settings.SIGNALBOX_BROKER_URL, **options)


_before = _state.default_app
app = Signalbox("signalbox", set_as_current=False, backend="tasks.worker.results:NoResults")
_state.default_app = _before  # Celery's fixup for Django would take the first app of a process for everybody's


def is_ours(other: object) -> bool:
    """Whether a signal is about this app. Signals of Celery reach every application in the process."""
    return other is app


def serve_all() -> None:
    """Become the app of plain Celery tasks, where the process has no other app."""
    if _state.default_app is None and _state._tls.current_app is None:
        app.set_default()

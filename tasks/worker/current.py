"""Celery's current app while a task of another app runs here: that app, as in a worker of its own.

``celery.current_app``, ``app_or_default()`` and calls by name ask for it. Celery keeps one for each thread, and one of
the process for threads that have none, such as those that a task starts. Our own code asks for neither.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import _state

from tasks.engine.celery_app import is_ours

_lock = threading.Lock()
_runs = 0  # that have changed the app of the process
_outside: Any = None  # the app of the process while nothing has changed it


@contextmanager
def app_of(task: Any) -> Iterator[None]:
    """Make the app of ``task`` the current one, and put back what was, however the block ends."""
    before = _state._tls.current_app
    _state._set_current_app(before if is_ours(task.app) and before else task.app)
    with _of_the_process(task.app):
        try:
            yield
        finally:
            _state._set_current_app(before)


@contextmanager
def _of_the_process(app: Any) -> Iterator[None]:
    """For threads without one. Where tasks of several apps run at once, they find that of the latest."""
    global _runs, _outside
    if is_ours(app):
        yield
        return
    with _lock:
        _outside = _outside if _runs else _state.default_app
        _runs += 1
        _state.default_app = app
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if not _runs:
                _state.default_app = _outside

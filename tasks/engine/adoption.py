"""Plain Celery tasks that are to be jobs, and what became of them when this process started, for its log and checks.

tasks.worker.adopt does it. This module imports nothing, as a project's ``celery.py`` needs it before Django is set up.
"""

from typing import Any

taken: list[Any] = []  # Celery apps whose tasks all become jobs
served: list[Any] = []  # the other Celery apps of the process, which answer about jobs
started: list[bool] = []  # not empty once this process has adopted what was named until then
adopted: list[str] = []  # names of tasks that are jobs now
wrong: list[str] = []  # sentences: patterns that match nothing, tasks that cannot be jobs
left_alone: list[str] = []  # names of tasks of other Celery apps that are no jobs


def take(app: Any) -> None:
    """Make jobs of all tasks of a Celery app: ``take(app)`` in the module that makes the app.

    RuntimeError: Django's apps are loaded already, so calls of its tasks may be messages by now.
    """
    if app in taken:
        return
    if started:
        raise RuntimeError(f"take({app.main}) comes too late. Call it in the module that makes the app.")
    taken.append(app)

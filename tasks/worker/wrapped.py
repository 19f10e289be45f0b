"""A wrapper that a program has put around ``apply_async`` of Celery's own class ``Task``, such as one that hands on a
trace, or a mock of a test.

A job has an ``apply_async`` of its own. While Celery's is wrapped, a call goes through the wrapper first: Celery's
method behind it calls ``send_task`` of the app, which asks the job's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from celery.app import task

OF_CELERY = {"result_cls", "task_type"}  # what its ``apply_async`` gives to ``send_task``, beside options of the task
_passing: ContextVar[str | None] = ContextVar("signalbox_passing", default=None)


def around_celerys() -> bool:
    """Whether what stands there now was not written there."""
    return getattr(task.Task.apply_async, "__globals__", None) is not vars(task)


@contextmanager
def passes(name: str) -> Iterator[None]:
    token = _passing.set(name)
    try:
        yield
    finally:
        _passing.reset(token)


def passing(name: str) -> bool:
    """Whether this call of the task comes out of the wrapper. Calls that its code makes are calls of their own."""
    comes_out = _passing.get() == name
    if comes_out:
        _passing.set(None)
    return comes_out


def own_options(job: task.Task, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the call, without those that Celery has added from the task."""
    of_task = job._get_exec_options()
    return {
        name: value
        for name, value in options.items()
        if name not in OF_CELERY and not (name in of_task and of_task[name] == value)
    }

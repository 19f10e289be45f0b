"""What Celery tells of an attempt whose process was ended, in the worker's parent."""

import logging
from collections.abc import Callable

from billiard.einfo import ExceptionInfo
from celery import signals, states
from celery.exceptions import TimeLimitExceeded
from django.db import connection

from tasks.engine import registry
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.worker import current
from tasks.worker.celery_states import raised
from tasks.worker.failures import request_of

log = logging.getLogger(__name__)


def tell_of_failure(job: Job) -> None:
    """Send ``task_failure`` for a job that has failed; at a hard limit after ``on_failure`` and ``after_return``."""
    task = app.tasks.get(registry.celery_name(job.kind))
    if task is None:
        return
    try:
        raise raised(job)
    except Exception as error:
        failed, einfo = error, ExceptionInfo()
    request = request_of(job)
    call = {"task_id": request.id, "args": request.args, "kwargs": request.kwargs}
    task.request_stack.push(request)
    try:
        with current.app_of(task):
            if isinstance(failed, TimeLimitExceeded):
                _logged(lambda: task.on_failure(failed, *call.values(), einfo))
                _logged(lambda: task.after_return(states.FAILURE, failed, *call.values(), einfo))
            about = call | {"exception": failed, "traceback": failed.__traceback__, "einfo": einfo}
            signals.task_failure.send(sender=task, **about)
    finally:
        task.request_stack.pop()
        connection.close()  # children forked from here must not share it


def _logged(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:
        log.exception("A handler of a failure raised an error.")

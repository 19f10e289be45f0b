"""What asking for a job gives back: Celery's AsyncResult, answered from the job's row."""

import builtins
import re
import sys
import time
from ast import literal_eval
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from celery.backends.base import BaseBackend as Backend
from celery.backends.base import DisabledBackend
from celery.result import AsyncResult

from tasks.engine import lifecycle
from tasks.engine.chains import CHORD
from tasks.engine.errors import NotInState
from tasks.engine.models import Job
from tasks.engine.report import current_report
from tasks.params.typed import restored


class JobResult(AsyncResult):
    """What ``delay()`` returns: the job's id, and all that Celery's callers ask of a result, read from the row."""

    @property
    def state(self) -> str:
        """The job's state; ``pending`` for a step of a chain whose turn has not come."""
        return Job.objects.filter(uid=self.id).values_list("state", flat=True).first() or "pending"

    status = state

    def ready(self) -> bool:
        return self.state in Job.FINAL

    def successful(self) -> bool:
        return self.state == Job.State.SUCCEEDED

    def failed(self) -> bool:
        return self.state == Job.State.FAILED

    def revoke(self, **options: Any) -> None:
        """Cancel the job; what has ended stays as it is. ``terminate`` and ``signal`` are ``@job(cancel_grace=…)``."""
        if named := [name for name, value in options.items() if value]:
            raise TypeError(f"revoke cannot honour {', '.join(named)} for a job: see cancel_grace of @job.")
        try:
            lifecycle.cancel(UUID(self.id))
        except (Job.DoesNotExist, NotInState):
            pass

    def _get_task_meta(self) -> dict[str, Any]:
        """What ``result``, ``traceback``, ``name``, ``kwargs``, ``retries`` and their like are read from."""
        job = Job.objects.filter(uid=self.id).first()
        if job is None:
            return {"status": self.state, "result": None}
        ended = raised(job) if job.state == Job.State.FAILED or job.error else restored(job.result)
        shown = {"status": job.state, "result": ended, "traceback": job.traceback or None}
        about = {"name": job.kind, "args": [], "kwargs": job.params, "queue": job.queue, "worker": job.worker}
        return {**shown, **about, "retries": job.failures, "date_done": job.finished_at}

    def get(self, timeout: float | None = None, propagate: bool = True, interval: float = 0.25, **options: Any) -> Any:
        """Wait for the result, in a script or shell. Refused inside a job, which would hold its slot while it waits.

        Of a job that has failed or was cancelled, the exception: raised, or returned with ``propagate=False``.
        """
        if current_report().job_id is not None:
            raise RuntimeError(
                "A job cannot wait for another job: both could wait for the same worker slot. Use a chain."
            )
        until = None if timeout is None else time.monotonic() + timeout
        while (job := Job.objects.filter(uid=self.id).first()) is None or job.state not in Job.FINAL:
            if job is None and (ended := {Job.State.FAILED, Job.State.CANCELLED} & set(self._states_before())):
                raise RuntimeError(f"The chain ended before this job: one before it {ended.pop()}.")
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"The job was still {self.state} after {timeout:g} s.")
            time.sleep(interval)
        if job.state == Job.State.SUCCEEDED:
            return restored(job.result)
        if propagate:
            raise raised(job)
        return raised(job)

    wait = get

    def _states_before(self) -> list[str]:
        """Of the jobs before this one in its chain, the nearest first."""
        return [self.parent.state, *self.parent._states_before()] if self.parent else []


CELERYS_WORDS = {
    "running": "STARTED", "retrying": "RETRY", "succeeded": "SUCCESS", "failed": "FAILURE", "cancelled": "REVOKED",
}  # fmt: skip


class NoResults(DisabledBackend):
    """Celery's result backend that stores nothing: rows answer, and one sentence says why there are no chords."""

    get_task_meta = Backend.get_task_meta
    wait_for = Backend.wait_for

    def ensure_chords_allowed(self) -> None:
        raise NotImplementedError(CHORD)

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        """For ``celery.result.AsyncResult(id)``, in Celery's words for states, as code written for it compares them."""
        job = Job.objects.filter(uid=task_id).first() if is_uuid(task_id) else None
        if job is None:
            return {"status": "PENDING", "result": None}
        result = raised(job) if job.state in (Job.State.FAILED, Job.State.CANCELLED) else restored(job.result)
        return {"status": CELERYS_WORDS.get(job.state, "PENDING"), "result": result, "traceback": job.traceback or None}


def raised(job: Job) -> Exception:
    """What a job that has ended raised: of its own class where this process has imported that, with the text as its
    only argument. Else a RuntimeError with the class's name before the text."""
    name, _, message = job.error.partition(": ")
    found = _class_of(name, job.traceback) if name.isidentifier() else None
    if found is not None:
        with suppress(Exception):
            args = (literal_eval(message),) if issubclass(found, KeyError) else (message,) * bool(message)
            for make in (found, partial(found.__new__, found)):
                with suppress(TypeError):
                    if str(error := make(*args)) == message:
                        return error
    return RuntimeError(job.error or f"The job was {job.state}.")


def _class_of(name: str, traceback: str) -> type[Exception] | None:
    """The class that a traceback ends with. Nothing is imported: a text from the database is no reason to."""
    where = re.findall(rf"^((?:\w+\.)*){name}(?::|$)", traceback, re.MULTILINE)
    module, qualified = where[-1].rstrip(".") if where else "", [name]
    while module and module not in sys.modules:
        module, _, outer = module.rpartition(".")
        qualified.insert(0, outer)
    found: Any = sys.modules.get(module) if module else builtins
    for part in qualified:
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False

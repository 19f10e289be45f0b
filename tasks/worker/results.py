"""What asking for a job gives back: Celery's AsyncResult, answered from the job's row."""

import time
from typing import Any
from uuid import UUID

from celery import states
from celery.backends.base import BaseBackend as Backend
from celery.backends.base import DisabledBackend
from celery.result import AsyncResult

from tasks.engine.chains import CHORD
from tasks.engine.models import Job
from tasks.engine.report import current_report
from tasks.params.typed import restored
from tasks.worker.celery_states import meta_of, raised

ENDINGS = {states.FAILURE: "failed", states.REVOKED: "cancelled", states.IGNORED: "cancelled"}
ENDED = set(ENDINGS)


class JobResult(AsyncResult):
    """What ``delay()`` returns: the job's id, and all that Celery's callers ask of a result, read from the row.

    States are Celery's words. A step of a chain whose turn has not come is PENDING.
    """

    def ready(self) -> bool:
        return Job.objects.filter(uid=self.id, state__in=Job.FINAL).exists()

    def _get_task_meta(self) -> dict[str, Any]:
        return meta_of(Job.objects.filter(uid=self.id).first())

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
            if job is None and (ended := ENDED & set(self._states_before())):
                raise RuntimeError(f"The chain ended before this job: one before it {ENDINGS[ended.pop()]}.")
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


class NoResults(DisabledBackend):
    """Celery's result backend that stores nothing: rows answer, and one sentence says why there are no chords."""

    get_task_meta = Backend.get_task_meta
    wait_for = Backend.wait_for

    def ensure_chords_allowed(self) -> None:
        raise NotImplementedError(CHORD)

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        """For ``celery.result.AsyncResult(id)``, in Celery's words for states, as code written for it compares them."""
        return meta_of(Job.objects.filter(uid=task_id).first() if is_uuid(task_id) else None)


def is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False

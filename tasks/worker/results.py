"""What asking for a job gives back: Celery's AsyncResult, answered from the job's row."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn
from uuid import UUID

from celery import states
from celery._state import task_join_will_block
from celery.backends.base import BaseBackend as Backend
from celery.backends.base import DisabledBackend
from celery.exceptions import ChordError
from celery.exceptions import TimeoutError as CelerysTimeoutError
from celery.result import AsyncResult, ResultSet

from tasks.engine import canvas
from tasks.engine.creation import RESULT_OF
from tasks.engine.models import Chord, Job
from tasks.engine.report import current_report
from tasks.params.typed import restored
from tasks.worker.celery_states import meta_of, raised

ENDINGS = {states.FAILURE: "failed", states.REVOKED: "cancelled", states.IGNORED: "cancelled"}
ENDED = set(ENDINGS)


class JobTimeoutError(CelerysTimeoutError, TimeoutError):
    """The end did not come in time. It is Celery's class too, which its callers catch."""


class JobResult(AsyncResult):
    """What ``delay()`` returns: the job's id, and all that Celery's callers ask of a result, read from the row.

    States are Celery's words. A step of a chain whose turn has not come is PENDING.
    """

    supports_native_join = False

    def ready(self) -> bool:
        job = row_of(self.id)[1]
        return job is not None and job.state in Job.FINAL

    def _get_task_meta(self) -> dict[str, Any]:
        return meta_by_id(self.id)

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.25,
        callback: Any = None,
        disable_sync_subtasks: bool = True,
        **options: Any,
    ) -> Any:
        """Wait for the result, in a script or shell. Refused inside a job, which would hold its slot while it waits,
        unless its code says that it may, in Celery's words: ``allow_join_result()``, ``disable_sync_subtasks=False``.

        Of a job that has failed or was cancelled, the exception: raised, or returned with ``propagate=False``.
        """
        if disable_sync_subtasks and current_report().job_id is not None and task_join_will_block():
            raise RuntimeError(
                "A job cannot wait for another job: both could wait for the same worker slot. Use a chain."
            )
        until = None if timeout is None else time.monotonic() + timeout
        while (job := row_of(self.id)[1]) is None or job.state not in Job.FINAL:
            if job is None and (ended := ENDED & set(self._states_before())):
                raise RuntimeError(f"The chain ended before this job: one before it {ENDINGS[ended.pop()]}.")
            if until is not None and time.monotonic() > until:
                raise JobTimeoutError(f"The job was still {self.state} after {timeout:g} s.")
            time.sleep(interval)
        value = restored(job.result) if job.state == Job.State.SUCCEEDED else raised(job)
        if callback is not None:
            callback(self.id, value)
        if propagate and job.state != Job.State.SUCCEEDED:
            raise value
        return value

    wait = get

    def forget(self) -> None:
        """The result stays: it is the job's own record."""

    def _states_before(self) -> list[str]:
        """Of the jobs before this one in its chain, the nearest first; of a chord's body, all that it waits for."""
        if isinstance(self.parent, ResultSet):
            return [state for each in leaves(self.parent) for state in (each.state, *each._states_before())]
        return [self.parent.state, *self.parent._states_before()] if self.parent else []


def leaves(results: Iterable[Any]) -> Iterator[Any]:
    """The results of single jobs in a group of groups."""
    for each in results:
        yield from leaves(each) if isinstance(each, ResultSet) else (each,)


def broken_chord(body_id: str) -> dict[str, Any] | None:
    """In Celery's words: the body of a chord has failed when a job that it waits for has, until that is tried again."""
    chord = Chord.objects.filter(last=body_id).first() if is_uuid(body_id) else None
    waits_for = filter(None, [chord.broken, *chord.children]) if chord else ()
    ended = (Job.State.FAILED, Job.State.CANCELLED)
    child = Job.objects.filter(uid__in=list(waits_for), state__in=ended).first() if chord else None
    if child is None:
        return None
    why = f"Dependency {child.uid} raised {raised(child)!r}"
    return {"status": "FAILURE", "result": ChordError(why), "traceback": child.traceback or None}


class NoResults(DisabledBackend):
    """Celery's result backend that stores nothing: rows answer, and chords are rows."""

    get_task_meta = Backend.get_task_meta
    wait_for = Backend.wait_for

    def ensure_chords_allowed(self) -> None:
        pass

    def iter_native(self, result: Any, *args: Any, **options: Any) -> Iterator[tuple[str, Any]]:
        return iterate(result.results, *args, **options)

    def apply_chord(self, header_result_args: Any, body: Any, **_: Any) -> None:
        """Store what a chord waits for, before Celery calls the tasks of its header. Each of them counts by its end."""
        uid, results = header_result_args
        canvas.open_chord(uid, [each.id for each in leaves(results)], body)

    def _not_kept(self, *args: Any, **options: Any) -> NoReturn:
        raise NotImplementedError(
            "A group is not stored, and a result is its job's row: keep the ids of a group's results yourself."
        )

    save_group = restore_group = delete_group = _not_kept

    def forget(self, task_id: str) -> None:
        """The result stays: it is the job's own record."""

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        """For ``celery.result.AsyncResult(id)``, in Celery's words for states, as code written for it compares them."""
        return meta_by_id(task_id)


def meta_by_id(task_id: str) -> dict[str, Any]:
    return known(task_id) or meta_of(None)


def known(task_id: str) -> dict[str, Any] | None:
    """What Celery's results are read from, of a job or of a chord that fails; None if there is none of that id."""
    task_id, job = row_of(task_id)
    return meta_of(job) if job is not None else broken_chord(task_id)


def iterate(
    results: Iterable[Any], timeout: float | None = None, interval: float = 0.25, *_: Any, **__: Any
) -> Iterator[tuple[str, Any]]:
    """Id and meta of each result, in their order, each when it has ended. A group among them is the list of its own."""
    until = None if timeout is None else time.monotonic() + timeout
    for each in results:
        if isinstance(each, ResultSet):
            yield each.id, list(each.results)
            continue
        while not each.ready():
            if until is not None and time.monotonic() > until:
                raise JobTimeoutError(f"A job was still {each.state} after {timeout:g} s.")
            time.sleep(interval)
        yield each.id, each._get_task_meta()


def row_of(task_id: str) -> tuple[str, Job | None]:
    """The row that answers for an id, and its id: the job, or the one that ends for it since its code said so."""
    job = Job.objects.filter(uid=task_id).first() if is_uuid(task_id) else None
    while job is not None and getattr(job.result, "type", "") == RESULT_OF:
        task_id = str(job.result)
        job = Job.objects.filter(uid=task_id).first()
    return task_id, job


def is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False

"""What asking for a job gives back: Celery's AsyncResult, answered from the job's row."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NoReturn
from uuid import UUID

from celery import states
from celery._state import task_join_will_block
from celery.backends.base import BaseBackend as Backend
from celery.backends.base import DisabledBackend
from celery.contrib.abortable import ABORTED
from celery.exceptions import ChordError
from celery.exceptions import TimeoutError as CelerysTimeoutError
from celery.result import AsyncResult, ResultSet

from tasks.engine import canvas, lifecycle, registry
from tasks.engine.celery_app import app
from tasks.engine.creation import RESULT_OF
from tasks.engine.errors import NotInState
from tasks.engine.models import Chord, Job
from tasks.engine.report import current_report
from tasks.params.typed import restored
from tasks.worker.celery_states import meta_of, raised


class JobTimeoutError(CelerysTimeoutError, TimeoutError):
    """The end did not come in time. It is Celery's class too, which its callers catch."""


class JobResult(AsyncResult):
    """What ``delay()`` returns: the job's id, and all that Celery's callers ask of a result, read from the row.

    States are Celery's words. A step of a chain whose turn has not come is PENDING. One whose turn will not come, since
    a job before it has failed, has failed with that one's exception.
    """

    supports_native_join = False

    def ready(self) -> bool:
        job = row_of(self.id)[1]
        return job.state in Job.FINAL if job is not None else self._get_task_meta()["status"] == "FAILURE"

    def _get_task_meta(self) -> dict[str, Any]:
        found = known(self.id)
        if found is None and (broken := self._broken_by()) is not None and broken.state == Job.State.FAILED:
            return {"status": "FAILURE", "result": raised(broken), "traceback": broken.traceback or None}
        return found or meta_of(None)

    @property
    def children(self) -> list["JobResult"]:
        """The jobs that this one's code has called, and the next steps of its chain."""
        return [JobResult(uid, app=self.app, backend=self.backend) for uid in called_by(self.id)]

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
            said = broken_chord(self.id) if job is None else None  # first: what breaks a chord goes before it
            if job is None and (broken := self._broken_by()) is not None:
                if broken.state == Job.State.CANCELLED:
                    raise RuntimeError("The chain ended before this job: one before it was cancelled.")
                if propagate:
                    raise raised(broken)
                return self.result
            if said is not None:
                if propagate:
                    raise said["result"]
                return said["result"]
            if until is not None and time.monotonic() > until:
                raise JobTimeoutError(f"The job was still {self.state} after {timeout:g} s.")
            time.sleep(interval)
        if not self.on_ready.ready:
            self.on_ready(self)  # what ``then`` waits for
        value = restored(job.result) if job.state == Job.State.SUCCEEDED else raised(job)
        if callback is not None:
            callback(self.id, value)
        if propagate and job.state != Job.State.SUCCEEDED:
            raise value
        return value

    wait = get

    def forget(self) -> None:
        """The result stays: it is the job's own record."""

    def _broken_by(self) -> Job | None:
        """The job before this one in its chain, or of those that a chord's body waits for, that has failed or was
        cancelled: this one will not begin."""
        before = leaves(self.parent) if isinstance(self.parent, ResultSet) else [self.parent] if self.parent else []
        for each in before:
            job = row_of(each.id)[1]
            broken = job if job is not None else each._broken_by()
            if broken is not None and broken.state in (Job.State.FAILED, Job.State.CANCELLED):
                return broken
        return None


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
    if not chord.children:  # a step of a chain, not a chord
        failed = {"status": "FAILURE", "result": raised(child), "traceback": child.traceback or None}
        return failed if child.state == Job.State.FAILED else None
    why = f"Dependency {child.uid} raised {raised(child)!r}"
    return {"status": "FAILURE", "result": ChordError(why), "traceback": child.traceback or None}


class NoResults(DisabledBackend):
    """Celery's result backend that stores nothing: rows answer, and chords are rows."""

    get_state = get_status = Backend.get_state
    get_result = Backend.get_result
    get_traceback = Backend.get_traceback
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

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **options: Any) -> None:
        """A result is in its row. ``abort()`` of Celery's AbortableAsyncResult is a state of that name: a cancel.

        What a job's code stores for itself is what it gives to ``update_state``.
        """
        report = current_report()
        if report.job_id is not None and str(task_id) == report.job_id:
            report.set_state(str(state), result)
        if state == ABORTED and is_uuid(task_id):
            with suppress(Job.DoesNotExist, NotInState):
                lifecycle.cancel(UUID(task_id), reason="aborted by the program")

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:
        """For ``celery.result.AsyncResult(id)``, in Celery's words for states, as code written for it compares them.
        Nothing is cached: a process that asks about many jobs would keep the result of each.
        """
        return with_children(task_id) or meta_of(None)


def called_by(task_id: str) -> list[str]:
    """The ids of the jobs that a job's code called, and of next steps of its chain. None with ``trail=False``."""
    kind = Job.objects.filter(uid=task_id).values_list("kind", flat=True).first() if is_uuid(task_id) else None
    if kind is None or not getattr(app.tasks.get(registry.celery_name(kind)), "trail", True):
        return []
    return [str(uid) for uid in Job.objects.filter(parent=task_id).order_by("pk").values_list("uid", flat=True)]


def with_children(task_id: str) -> dict[str, Any] | None:
    """What is known of a job, for Celery's own classes of results. As there, children are known when it has ended."""
    found = known(task_id)
    if found is not None and found["status"] in states.READY_STATES:
        found["children"] = [((uid, None), None) for uid in called_by(task_id)]
    return found


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


def is_uuid(given: Any) -> bool:
    """Whether it may be the id of a job: of a text, or of a UUID, as a field of a model has it."""
    try:
        return bool(UUID(str(given)))
    except ValueError:
        return False

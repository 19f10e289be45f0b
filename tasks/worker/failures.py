"""What an errback of several arguments gets, as in Celery: request, exception and traceback of the job that failed.

Its row refers to them by that job's id. They are made when the errback runs, from the rows that say how it ended.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from celery.app.task import Context

from tasks.engine import registry
from tasks.engine.call_options import group_of
from tasks.engine.creation import FAILURE
from tasks.engine.models import Attempt, Chord, Job, Outcome
from tasks.params.typed import Typed
from tasks.worker import results
from tasks.worker.celery_states import call_of, raised

FAILED = (Outcome.FAILED, Outcome.LOST, Outcome.FENCED)


def opened(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
    """The arguments of a call with what references stand for."""
    if not any(_refers(value) for value in (*args, *kwargs.values())):
        return args, dict(kwargs)
    return [_opened(value) for value in args], {name: _opened(value) for name, value in kwargs.items()}


def _refers(value: Any) -> bool:
    return getattr(value, "type", "") in FAILURE


def _opened(value: Any) -> Any:
    if not _refers(value):
        return value
    job = Job.objects.filter(uid=value).first()
    if job is None:
        return _of_body(value)
    match FAILURE.index(value.type):
        case 0:
            return request_of(job)
        case 1:
            return raised(_as_it_failed(job))
    return _as_it_failed(job).traceback


def _as_it_failed(job: Job) -> Job:
    """The row as it was after its newest failure: somebody may have tried the job again meanwhile."""
    last = Attempt.objects.filter(job=job, outcome__in=FAILED).order_by("-number").first()
    if last is not None:
        job.state, job.error, job.traceback = Job.State.FAILED, last.error, last.traceback
    return job


def _of_body(value: Typed) -> Any:
    """Of the body of a chord that did not begin. As in Celery, its request names the task that did not run."""
    broken = results.broken_chord(str(value)) or {"result": None, "traceback": None}
    chord = Chord.objects.filter(last=str(value)).first()
    step = chord.body[0] if chord else {}
    request = Context(id=str(value), task=step.get("kind") and registry.celery_name(step["kind"]), args=[], kwargs={})
    return (request, broken["result"], broken["traceback"])[FAILURE.index(value.type)]


def request_of(job: Job) -> Context:
    """``self.request`` of a job, as far as its row knows it. Secrets are masked."""
    return Context(
        id=str(job.uid),
        task=registry.celery_name(job.kind),
        **call_of(job),
        group=group_of(job.headers)[0],
        retries=job.failures,
        root_id=str(job.root or job.uid),
        parent_id=job.parent and str(job.parent),
        hostname=job.worker,
        headers=dict(job.headers or {}),
        delivery_info={"routing_key": job.queue, "priority": job.priority},
    )

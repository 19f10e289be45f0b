"""A message calls a process of a worker, which then goes on by itself: it claims the next jobs of its queues.

That lasts for a slice of time. Then the process takes the next message, and passes the call on if jobs are left. Few
messages are needed, however many jobs wait, and the order of jobs is the database's: the most urgent first, among equal
ones the queue that was served longest ago, within it the oldest.
"""

import os
import time
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

from billiard.pool import mem_rss  # as it was before project.worker
from celery.app.trace import trace_ok_t

from tasks.engine import calls, lifecycle, notify, registry
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.worker import pulse
from tasks.worker.trace import claim, nothing, on_clean_connection, trace
from tasks.worker.transport import OURS

SLICE_S = 0.2  # after which no further job is claimed for one message

_served: dict[str, float] = {}  # queue → when this process last took a job of it, by its monotonic clock


def work(task: Any, uid: str, request: dict[str, Any]) -> trace_ok_t:
    """Run the jobs of one message, in Celery's place. Returns what Celery's tracer returns for the only one of them."""
    beating = pulse.current()
    until = time.monotonic() + SLICE_S
    with beating.at_work() if beating else nullcontext():
        job = _first(task, uid, request)
        if job is None:
            return nothing()
        traced = _trace(job, uid, request)
        if not _goes_on(job):
            return traced
        while time.monotonic() < until and _has_room() and (job := _next(request)) is not None:
            _trace(job, uid, request)
            traced = nothing()
        if job is not None:  # it may not have been the last one
            on_clean_connection(lambda: notify.call_workers(pulse.queues()))
        return traced


def _first(task: Any, uid: str, request: dict[str, Any]) -> Job | None:
    """The job of a message: the next one of all, unless only its own message starts the job that it names."""
    named = calls.has_own_messages(task.kind.name)
    job = None if named or not pulse.current() else _next(request)
    return job or claim(task.kind.name, uid, request.get("hostname") or "")


def _next(request: dict[str, Any]) -> Job | None:
    return on_clean_connection(lambda: _claim_next(request.get("hostname") or ""))


def _claim_next(worker: str) -> Job | None:
    queues, kinds = pulse.queues(), _called(len(registry.names()))
    waiting = calls.heads(queues) if len(queues) > 1 else dict.fromkeys(queues, 0)
    for queue in sorted(waiting, key=lambda queue: (-waiting[queue], _served.get(queue, 0.0))):
        if (job := lifecycle.claim_next(queue, kinds, worker, os.getpid())) is not None:
            return job
    return None


@lru_cache(maxsize=1)
def _called(known: int) -> list[str]:
    """``calls.called``, sorted once for the number of kinds that are known."""
    return calls.called()


def _trace(job: Job, uid: str, request: dict[str, Any]) -> trace_ok_t:
    """Run a job of any kind. What Celery knows of the message's own job is kept from any other one."""
    _served[job.queue] = time.monotonic()
    if beating := pulse.current():
        beating.jobs += 1
    return trace(
        app.tasks[registry.celery_name(job.kind)], job, request if str(job.uid) == uid else _without_the_call(request)
    )


def _goes_on(job: Job) -> bool:
    """Whether this process may run another job for this message: Celery's timers go by the limits of the first."""
    return not calls.is_limited(registry.get(job.kind))


def _has_room() -> bool:
    """Whether nothing ends this process: its worker's stop, what a job left behind, its share of jobs or of memory."""
    beating, most = pulse.current(), app.conf.worker_max_memory_per_child
    if beating is None or pulse.stopping() or beating.is_spent():
        return False
    return not (beating.kills and most and mem_rss() > most)


def _without_the_call(request: dict[str, Any]) -> dict[str, Any]:
    """What Celery knows of a call, without what belongs to the job that it names."""
    return {name: value for name, value in request.items() if not name.startswith(OURS)}

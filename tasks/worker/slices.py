"""A message calls a process of a worker, which then goes on by itself: it claims the next jobs of its queues.

That lasts for a slice of time. Then the process takes the next message, and passes the call on if jobs are left. Few
messages are needed, however many jobs wait, and the order of jobs is the database's: the most urgent first, among equal
ones the queue that was served longest ago, within it the oldest.
"""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from resource import RUSAGE_SELF, getrusage
from typing import Any

from billiard.pool import mem_rss  # as it was before project.worker
from celery.app.trace import trace_ok_t

from tasks.engine import calls, lifecycle, notify, registry
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.worker import deadlines, pulse, rates
from tasks.worker.trace import claim, nothing, on_clean_connection, trace
from tasks.worker.transport import OURS

ANY = "signalbox_any"  # in the headers of a message that names a kind and no job of it
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
        traced, others = _trace(job, uid, request), 0
        while time.monotonic() < until and _has_room() and (job := _next(request, just_used=True)) is not None:
            _trace(job, uid, request)
            others += 1
        if job is not None:  # it may not have been the last one
            on_clean_connection(lambda: notify.call_workers(pulse.queues()))
        return nothing() if others else traced


def _first(task: Any, uid: str, request: dict[str, Any]) -> Job | None:
    """The job of a message: the next one of all, unless only its own message starts the job that it names."""
    kind, worker = task.kind.name, request.get("hostname") or ""
    if not calls.has_own_messages(kind) and pulse.current() and (job := _next(request)) is not None:
        return job
    if request.get(ANY):
        return on_clean_connection(lambda: _claim_unless_empty(kind, lambda: _claim_in_turn(kind, worker)))
    return _claim_unless_empty(kind, lambda: claim(kind, uid, worker))


def _claim_unless_empty(kind: str, claim: Callable[[], Job | None]) -> Job | None:
    with rates.turn() as empty:
        job = None if kind in empty else claim()
        if job is not None:
            rates.take(kind)
        return job


def _claim_in_turn(kind: str, worker: str) -> Job | None:
    return lifecycle.claim_next_of_keys(kind, pulse.queues(), worker, os.getpid())


def _next(request: dict[str, Any], just_used: bool = False) -> Job | None:
    return on_clean_connection(lambda: _claim_next(request.get("hostname") or ""), just_used)


def _claim_next(worker: str) -> Job | None:
    queues, kinds = pulse.queues(), _called(len(registry.names()))
    with rates.turn() as empty:
        if empty:
            kinds = [kind for kind in kinds if kind not in empty]
        longest_ago = sorted(queues, key=lambda queue: _served.get(queue, 0.0))
        for _ in longest_ago[:2]:  # twice if there are several: another process may have taken what the first one had
            if (job := lifecycle.claim_next(longest_ago, kinds, worker, os.getpid())) is not None:
                rates.take(job.kind)
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
    task = app.tasks[registry.celery_name(job.kind)]
    deadlines.begin(job, task.kind)
    try:
        return trace(task, job, request if str(job.uid) == uid else _without_the_call(request))
    finally:
        deadlines.end()


def _has_room() -> bool:
    """Whether nothing ends this process: its worker's stop, what a job left behind, its share of jobs or of memory."""
    beating, most = pulse.current(), app.conf.worker_max_memory_per_child
    if beating is None or pulse.stopping() or beating.is_spent():
        return False
    return not (beating.kills and most and getrusage(RUSAGE_SELF).ru_maxrss > most and mem_rss() > most)


def _without_the_call(request: dict[str, Any]) -> dict[str, Any]:
    """What Celery knows of a call, without what belongs to the job that it names."""
    return {name: value for name, value in request.items() if not name.startswith(OURS)}

"""Who hears that a job moved, once that is committed: every browser by a hint, a worker by the job's bell.

Knows which queued jobs may start (of no paused queue, in the turn of their serial key); pauses queues. Moves no job.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from live import push
from tasks.engine import broker
from tasks.engine.models import Job, Queue, State
from tasks.engine.transition import move, now, on_commit, retry_on_lock

NOT_PAUSED = "NOT EXISTS (SELECT 1 FROM tasks_queue WHERE tasks_queue.name = tasks_job.queue AND tasks_queue.paused)"
IN_TURN = (
    "(serial_key = '' OR NOT EXISTS (SELECT 1 FROM tasks_job AS other WHERE other.serial_key = tasks_job.serial_key"
    " AND other.id <> tasks_job.id AND (other.state IN ('running', 'retrying')"
    " OR (other.state = 'queued' AND other.id < tasks_job.id))))"
)
RING_AT_ONCE = 500


@retry_on_lock
def pause(queue: str, by: Any = None) -> None:
    """From now on no job of the queue is rung or claimed; what runs goes on."""
    Queue.objects.update_or_create(name=queue, defaults={"paused": True, "paused_by": by, "paused_at": now()})


@retry_on_lock
def resume(queue: str) -> None:
    """Let the queue's jobs start again; the oldest are rung at once, the dispatcher rings the rest."""
    Queue.objects.update_or_create(name=queue, defaults={"paused": False, "paused_by": None, "paused_at": None})
    waiting = Job.objects.filter(queue=queue, state=State.QUEUED).order_by("-priority", "id")[:RING_AT_ONCE]
    push_and_ring(list(waiting.select_related("owner")))


@retry_on_lock
def ring_again(queue: str, before: datetime, most: int) -> int:
    """Ring up to ``most`` startable jobs of a queue whose last bell is older than ``before``, the most urgent first."""
    old = f"state = 'queued' AND queue = %s AND rung_at < %s AND {NOT_PAUSED} AND {IN_TURN}"
    oldest = f"SELECT id FROM tasks_job WHERE {old} ORDER BY priority DESC, id LIMIT %s"  # noqa: S608 - constants
    again = "state = 'queued' AND rung_at < %s"
    moved = move({"rung_at": now()}, f"id IN ({oldest}) AND {again}", [queue, before, most, before], raises="")
    _ring([broker.Bell(job.uid, job.kind, job.queue, job.priority) for job in sorted(moved, key=lambda job: job.id)])
    return len(moved)


def push_and_ring(jobs: Sequence[Job], sooner: int = 0) -> None:
    """Tell browsers of jobs that are queued or scheduled now, and ring for the queued ones."""
    push_changes(jobs)
    waiting = [job for job in jobs if job.state == State.QUEUED]
    bells = [broker.Bell(job.uid, job.kind, job.queue, min(9, job.priority + sooner)) for job in waiting]
    if bells:
        on_commit(lambda: _ring(bells))


def _ring(bells: Sequence[broker.Bell]) -> None:
    paused = set(Queue.objects.filter(paused=True).values_list("name", flat=True))
    broker.ring([bell for bell in bells if bell.queue not in paused])


def push_changes(jobs: Sequence[Job]) -> None:
    for job in jobs:
        summary = job.summary()
        on_commit(lambda summary=summary: push.job_changed(summary))


def ring_next_of_key(job: Job) -> None:
    """A serial key is free again: ring the oldest job that waits for it."""
    if job.serial_key and job.state != State.RETRYING:
        waiting = Job.objects.filter(serial_key=job.serial_key, state=State.QUEUED).order_by("id")[:1]
        on_commit(lambda: _ring([broker.Bell(next_.uid, next_.kind, next_.queue, next_.priority) for next_ in waiting]))

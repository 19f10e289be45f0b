"""Notifies browsers and workers of a job's move after its commit: browsers by a hint, workers by a message.

A queued job may start if its queue is not paused and no older job has its serial key. Nothing here moves a job.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from live import push
from tasks.engine import broker, calls
from tasks.engine.models import Job, Queue, State
from tasks.engine.transition import found_by, move, now, on_commit, retry_on_lock

NOT_PAUSED = "NOT EXISTS (SELECT 1 FROM tasks_queue WHERE tasks_queue.name = tasks_job.queue AND tasks_queue.paused)"
IN_TURN = (
    "(serial_key = '' OR NOT EXISTS (SELECT 1 FROM tasks_job AS other WHERE other.serial_key = tasks_job.serial_key"
    " AND other.id <> tasks_job.id AND (other.state IN ('running', 'retrying')"
    " OR (other.state = 'queued' AND other.id < tasks_job.id))))"
)
NOTIFIED_AT_ONCE = 500


@retry_on_lock
def pause(queue: str, by: Any = None) -> None:
    """Pause a queue: workers claim none of its jobs and get no messages for them. Running jobs go on."""
    Queue.objects.update_or_create(name=queue, defaults={"paused": True, "paused_by": by, "paused_at": now()})


@retry_on_lock
def resume(queue: str) -> None:
    """Let the queue's jobs start again. Sends messages for the first of them; the dispatcher sends the rest."""
    Queue.objects.update_or_create(name=queue, defaults={"paused": False, "paused_by": None, "paused_at": None})
    waiting = Job.objects.filter(queue=queue, state=State.QUEUED).order_by("-priority", "id")[:NOTIFIED_AT_ONCE]
    push_and_notify(list(waiting.select_related("owner")))


@retry_on_lock
def notify_again(queue: str, before: datetime, most: int) -> int:
    """Send another message for up to ``most`` startable jobs whose last one is older than ``before``.

    The most urgent come first. Returns how many jobs that were.
    """
    old = f"app = '' AND state = 'queued' AND queue = %s AND rung_at < %s AND {NOT_PAUSED} AND {IN_TURN}"
    oldest = f"SELECT id FROM tasks_job WHERE {old} ORDER BY priority DESC, id LIMIT %s"  # noqa: S608 - constants
    again = "state = 'queued' AND rung_at < %s"
    moved = move({"rung_at": now()}, f"{found_by(oldest)} AND {again}", [queue, before, most, before], raises="")
    _notify_workers([message_for(job) for job in sorted(moved, key=lambda job: job.id)])
    return len(moved)


def push_and_notify(jobs: Sequence[Job], sooner: int = 0) -> None:
    """Push jobs that are queued or scheduled now to browsers, and send workers a message for each queued one.

    ``sooner`` is added to the priority of the messages.
    """
    push_changes(jobs)
    waiting = [job for job in jobs if job.state == State.QUEUED]
    messages = [message_for(job, sooner) for job in waiting]
    if messages:
        on_commit(lambda: _notify_workers(messages))


def message_for(job: Job | calls.Head, sooner: int = 0) -> broker.Message:
    """The message of a queued job. One that any other message of its queue can start as well is a call."""
    is_call = not (job.serial_key or calls.has_own_messages(job.kind))
    return broker.Message(job.uid, job.kind, job.queue, min(9, job.priority + sooner), is_call)


def call_workers(queues: Sequence[str]) -> None:
    """Send a message for each of these queues in which a job waits that any process may start."""
    if messages := [message_for(head) for head in calls.heads(queues)]:
        on_commit(lambda: broker.notify_workers(messages))


def _notify_workers(messages: Sequence[broker.Message]) -> None:
    with connection.cursor() as cursor:  # once for each job that is asked for: the ORM takes three times as long
        cursor.execute("SELECT name FROM tasks_queue WHERE paused")
        paused = {name for (name,) in cursor.fetchall()}
    broker.notify_workers([message for message in messages if message.queue not in paused])


def push_changes(jobs: Sequence[Job]) -> None:
    summaries = [job.summary() for job in jobs]
    on_commit(lambda: [push.job_changed(summary) for summary in summaries])


def notify_next_of_key(job: Job) -> None:
    """Send a message for the oldest queued job with the same serial key, which is free now."""
    if job.serial_key and job.state != State.RETRYING:
        waiting = Job.objects.filter(serial_key=job.serial_key, state=State.QUEUED, app="").order_by("id")[:1]
        on_commit(lambda: _notify_workers([message_for(job) for job in waiting]))

"""Tasks of watched applications, written into the table as the observer does, without an observer."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from tasks.engine.attempts import write_endings
from tasks.engine.models import Ending, Job

STATES = (*Job.OWN, "unknown")


def watched(state: str = "running", app: str = "shop", **more: Any) -> Job:
    """One task of a watched application, in that state since a minute."""
    now = timezone.now()
    uid = uuid4()
    started = state not in ("scheduled", "queued")
    ended = state in Job.FINAL
    columns = {
        "uid": uid,
        "task_id": str(uid),
        "app": app,
        "basis": "event",
        "state": state,
        "kind": "shop.tasks.pay",
        "queue": f"{app}:celery",
        "worker": f"{app}:w1@host" if started else "",
        "attempt": int(started),
        "created_at": now - timedelta(minutes=2),
        "started_at": now - timedelta(minutes=1) if started else None,
        "finished_at": now if ended else None,
        "due_at": now + timedelta(hours=1) if state in ("scheduled", "retrying") else None,
        "error": "ValueError: no card" if state == "failed" else "",
    }
    job = Job.every.create(**columns | more)
    if state in Ending.STATES:  # as the observer does
        write_endings([job])
    return job


def one_of_each(app: str = "shop", **more: Any) -> list[Job]:
    return [watched(state, app, **more) for state in STATES]

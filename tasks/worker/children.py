"""Jobs that a job makes: they belong to its owner, and have its priority."""

from typing import Any
from uuid import UUID

from tasks.engine import lifecycle
from tasks.engine.models import Job, State


def begin_child(kind: str, params: dict[str, Any], parent: UUID, uid: UUID) -> Job:
    """Queue the job ``uid`` as a child of the job ``parent``. A child that was stopped is queued again."""
    above = Job.objects.select_related("owner").filter(uid=parent).first()
    options = {"owner": above.owner, "priority": above.priority, "parent": parent} if above else {}
    job, new = lifecycle.submit(kind, params, uid=uid, **options)
    if not new and job.state in (State.FAILED, State.CANCELLED):
        lifecycle.retry(job.uid)
    return job

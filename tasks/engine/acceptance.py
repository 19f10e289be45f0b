"""Inserts new jobs with their webhook deliveries in one transaction, and notifies workers and browsers afterwards.

Each function can be repeated when the answer to a commit was lost: it finds its own rows.
"""

from django.db import IntegrityError, transaction

from tasks.engine import bulk_insert, creation, notify
from tasks.engine.models import Job
from tasks.engine.transition import retry_on_lock
from tasks.webhooks import outbox

AT_ONCE = 500  # rows of one statement


@retry_on_lock
def accept(job: Job, repeatable: bool) -> tuple[Job, bool]:
    """Insert a job, unless it exists. A repetition after a lost commit answer finds its own row: that is new too."""
    found = creation.find_duplicate(job) if repeatable else None
    if found is None:
        job.pk = None
        try:
            with transaction.atomic():
                bulk_insert.insert_new([job])
                outbox.queue_deliveries([job])
        except IntegrityError:
            if (found := creation.find_duplicate(job)) is None:
                raise
    if found is not None and (found.uid, found.created_at) != (job.uid, job.created_at):
        return found, False
    notify.push_and_notify([found or job])
    return found or job, True


@retry_on_lock
def accept_all(jobs: list[Job]) -> list[Job]:
    """Insert new jobs, all or none. A repetition after a lost commit answer finds them there."""
    for job in jobs:
        job.pk = None
    try:
        with transaction.atomic():
            for start in range(0, len(jobs), AT_ONCE):
                bulk_insert.insert_new(jobs[start : start + AT_ONCE])
            outbox.queue_deliveries(jobs)
    except IntegrityError:
        keys = Job.objects.in_bulk([job.uid for job in jobs], field_name="uid")
        if len(keys) < len(jobs):
            raise
        jobs = [keys[job.uid] for job in jobs]
    notify.push_and_notify(jobs)
    return jobs

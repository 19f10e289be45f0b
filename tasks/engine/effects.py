"""Effects that happen once for each job, however many attempts run: a row is committed with the effect itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from tasks.engine.models import Effect, Job, State
from tasks.engine.report import Fenced, current_report


@contextmanager
def once(name: str) -> Iterator[bool]:
    """``with once("invoice") as first:`` is True the first time in this job's life, False in every later attempt.

    Writes inside the block commit together with the Effect row, or not at all. Raises Fenced, and writes nothing, when
    the attempt does not hold its job any more. Outside a job it is always True. No database can make effects on other
    systems happen once: give those systems the job's id as their idempotency key.
    """
    report = current_report()
    if report.job_id is None:
        yield True
        return
    with transaction.atomic():
        held = Job.objects.filter(uid=report.job_id, attempt=report.attempt, state=State.RUNNING)
        if not held.update(
            beat=F("beat") + 1
        ):  # takes the row's lock too: the reaper waits until the effect is written
            raise Fenced
        table = connection.ops.quote_name(Effect._meta.db_table)
        sql = f"INSERT INTO {table} (job_id, name, at) SELECT id, %s, %s FROM tasks_job WHERE uid = %s ON CONFLICT DO NOTHING"  # noqa: S608,E501
        with connection.cursor() as cursor:
            at = connection.ops.adapt_datetimefield_value(timezone.now())
            cursor.execute(sql, [name, at, Job._meta.get_field("uid").get_db_prep_save(report.job_id, connection)])
            first = cursor.rowcount == 1
        yield first

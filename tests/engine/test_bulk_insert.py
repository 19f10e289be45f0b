"""Many jobs that are inserted at once are stored column by column as Django stores one."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction

from tasks.engine import bulk_insert, lifecycle
from tasks.engine.models import Job
from tasks.engine.uid import uuid7
from tests.engine.test_ordered_json import NUMBERS, ORDERED

pytestmark = pytest.mark.django_db
EAST = datetime(2026, 3, 29, 2, 30, 0, 120, tzinfo=timezone(timedelta(hours=5, minutes=30)))
ROWS = [
    {"params": ORDERED, "title": "a 'b' \"c\" %s \\ é 🜚", "due_at": EAST, "priority": 0},
    {"params": {"n": NUMBERS}, "result": [1, {"b": 1, "a": 2}], "then": [["noop", {}]], "headers": {"b": 1, "a": 2}},
    {"params": {}, "parent": uuid7(), "idempotency_key": "k", "attempt": 3, "error": "x\ny", "result": "text"},
]


def stored(job: Job) -> dict:
    """What the database has in each column, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tasks_job WHERE id = %s", [job.pk])
        columns = [column[0] for column in cursor.description]
        return {name: str(value) for name, value in zip(columns, cursor.fetchone(), strict=True)}


def made(owner, **columns) -> Job:
    created = datetime(2026, 11, 29, 12, 0, 0, 5, tzinfo=UTC)
    job = bulk_insert.make(uid=uuid7(), kind="noop", queue="default", state="queued", created_at=created, **columns)
    job.owner = owner
    return job


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_row_is_what_django_would_have_stored(number):
    owner = get_user_model().objects.create(username="ann")
    job = made(owner, **ROWS[number])
    with transaction.atomic():
        bulk_insert.insert_new([job, made(None, params={"other": "columns"}, queued_at=EAST)])
    at_once = stored(job)
    again = Job.objects.get(pk=job.pk)
    assert json.dumps(again.params) == json.dumps(ROWS[number]["params"])
    Job.objects.filter(pk=job.pk).delete()
    job.save(force_insert=True)
    assert stored(job) == at_once


def test_a_row_that_is_there_stops_them_all():
    job = made(None, params={})
    job.save(force_insert=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk_insert.insert_new([made(None, params={}), job])
    assert Job.objects.count() == 1


def test_jobs_know_their_keys_and_where_they_are():
    jobs = lifecycle.submit_many("noop", [{}] * 700)
    assert [job.pk for job in jobs] == sorted({job.pk for job in jobs})
    assert not any(job._state.adding for job in jobs)
    assert set(Job.objects.values_list("uid", flat=True)) == {job.uid for job in jobs}

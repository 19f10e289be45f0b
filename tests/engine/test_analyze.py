"""The planner of PostgreSQL knows how many jobs there are, also in the first minute of a table."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction

from tasks.engine import analyze, calls, lease, lifecycle, notify
from tasks.engine.errors import Failure
from tasks.engine.models import Job

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite plans each statement by itself"),
]

READ = (
    "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) + pg_stat_get_xact_tuples_returned('tasks_job'::regclass)"
    " FROM pg_index WHERE indrelid = 'tasks_job'::regclass"
)


def value(sql: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.fixture
def new_table(monkeypatch):
    """As after the first migration: without rows, and never analyzed."""
    monkeypatch.setattr(analyze, "_next", analyze.FIRST)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE tasks_job RESTART IDENTITY CASCADE")
        cursor.execute("DELETE FROM pg_statistic WHERE starelid = 'tasks_job'::regclass")
    connection.close()  # with what it has planned


def claim() -> Job:
    return wanted(lifecycle.claim_next(["default", "io"], calls.called(), "w1@here", 1))


def wanted(job: Job | None) -> Job:
    assert job is not None
    return job


def rows_read(act: Callable[[], object]) -> float:
    with transaction.atomic():
        before = value(READ)
        act()
        return value(READ) - before


def test_a_claim_of_a_table_that_has_grown_reads_few_rows(new_table):
    for _ in range(12):  # until its plan is kept
        lifecycle.submit("noop", {})
        claim()
    lifecycle.submit_many("noop", [{}] * 2_000)
    assert rows_read(claim) < 100


def test_a_claim_passes_no_job_with_a_serial_key(new_table):
    lifecycle.submit_many("noop", [{}] * 50)
    lifecycle.submit_many("noop", [{}] * 2_000, serial_key="noop:one", priority=9)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks_job")
    for _ in range(12):
        claim()
    assert rows_read(claim) < 100


@pytest.mark.parametrize("many", ["running", "queued"])
def test_a_move_of_one_job_reads_few_rows_however_many_are_in_its_state(new_table, many):
    """The indexes of a state are small in a quiet system, and a plan that was made then is kept."""
    moves = {
        "the claim of a message": lambda job: lifecycle.claim(job.uid, "w1@here", 1, "noop"),
        "a beat": lambda _: lease.beat(claim()),
        "a success": lambda _: lifecycle.succeed(claim()),
        "a failure": lambda _: lifecycle.fail(claim(), Failure.said("no")),
        "a cancel": lambda job: lifecycle.cancel(job.uid),
    }
    with connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        lifecycle.submit_many("noop", [{}] * 1_000)
        cursor.execute("UPDATE tasks_job SET state = 'cancelled', finished_at = now()")
        cursor.execute("VACUUM (ANALYZE) tasks_job")
    for move in moves.values():
        for _ in range(6):  # until it is prepared
            wanted(move(lifecycle.submit("noop", {})[0]))
    lifecycle.submit_many("noop", [{}] * 600)  # the table has not doubled
    for _ in range(600 if many == "running" else 0):
        claim()
    read = {}
    for what, move in moves.items():
        job = lifecycle.submit("noop", {})[0]
        read[what] = rows_read(lambda move=move, job=job: wanted(move(job)))
    assert all(rows < 100 for rows in read.values()), read


def test_the_table_is_analyzed_when_it_has_doubled_and_left_alone_otherwise(new_table):
    rows = "SELECT reltuples FROM pg_class WHERE oid = 'tasks_job'::regclass"
    lifecycle.submit_many("noop", [{}] * 100)
    assert value(rows) == 100
    lifecycle.submit_many("noop", [{}] * 90)
    assert value(rows) == 100
    for _ in range(20):
        lifecycle.submit("noop", {})
    assert value(rows) == 200


def test_what_takes_some_of_many_rows_finds_them_once_though_the_table_was_never_analyzed(new_table, monkeypatch):
    """As after a restore: the table is taken for a small one, and a subselect with a LIMIT may be run for each row."""
    monkeypatch.setattr(analyze, "_next", 10**9)
    past = lifecycle.now() - timedelta(hours=1)
    read = {}
    for what, columns, act in (
        ("messages again", {"rung_at": past}, lambda: notify.notify_again("default", lifecycle.now(), 200)),
        ("due jobs", {"state": "scheduled", "due_at": past}, lambda: lifecycle.wake(200)),
        ("expired jobs", {"expires_at": past}, lambda: lifecycle.wake(200)),
    ):
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE tasks_job RESTART IDENTITY CASCADE")
        lifecycle.submit_many("noop", [{}] * 600)
        Job.objects.update(**columns)
        read[what] = rows_read(act)
    assert all(rows < 5_000 for rows in read.values()), read

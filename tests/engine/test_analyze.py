"""The planner of PostgreSQL knows how many jobs there are, also in the first minute of a table."""

import pytest
from django.db import connection, transaction

from tasks.engine import analyze, calls, lifecycle

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


def claim() -> None:
    assert lifecycle.claim_next(["default", "io"], calls.called(), "w1@here", 1)


def test_a_claim_of_a_table_that_has_grown_reads_few_rows(new_table):
    for _ in range(12):  # until its plan is kept
        lifecycle.submit("noop", {})
        claim()
    lifecycle.submit_many("noop", [{}] * 2_000)
    with transaction.atomic():
        before = value(READ)
        claim()
        assert value(READ) - before < 100


def test_the_table_is_analyzed_when_it_has_doubled_and_left_alone_otherwise(new_table):
    rows = "SELECT reltuples FROM pg_class WHERE oid = 'tasks_job'::regclass"
    lifecycle.submit_many("noop", [{}] * 100)
    assert value(rows) == 100
    lifecycle.submit_many("noop", [{}] * 90)
    assert value(rows) == 100
    for _ in range(20):
        lifecycle.submit("noop", {})
    assert value(rows) == 200

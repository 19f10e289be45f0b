"""The picture of the database: its sections and their order, its numbers, and that history does not slow it down."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tasks.engine import attempts, lifecycle, notify
from tasks.engine.applications import OWN
from tasks.engine.models import Job, LogLine, Minute, Worker
from tasks.engine.uid import uuid7
from tasks.observe import served
from tasks.queries import board, details
from tasks.queries import stats as history
from tests.support.analyzed import analyzed
from tests.support.live_parts import uid

pytestmark = pytest.mark.django_db(transaction=True)


def make(count, state, **more):
    now = timezone.now()
    finished = now if state in Job.FINAL else None
    started = None if state in ("queued", "scheduled") else now
    fixed = {"kind": "noop", "queue": "default", "created_at": now, "started_at": started, "finished_at": finished}
    rows = [
        Job(uid=uuid7(), state=state, **fixed | {name: f(i) if callable(f) else f for name, f in more.items()})
        for i in range(count)
    ]
    made = Job.objects.bulk_create(rows)
    attempts.write_endings(made)
    return made


def test_the_board_has_the_first_of_each_section():
    now = timezone.now()
    running = make(310, "running", started_at=lambda i: now + timedelta(seconds=i))
    queued = make(60, "queued", queue="io", priority=3) + make(70, "queued", priority=9)
    retrying = make(55, "retrying", due_at=lambda i: now + timedelta(seconds=100 - i))
    finished = make(55, "succeeded", finished_at=lambda i: now + timedelta(seconds=i))
    make(5, "scheduled", due_at=now)
    shown = [job["id"] for job in board.board()["jobs"]]
    wanted = queued[60:] + queued[:30] + running[:300] + retrying[:-51:-1] + finished[:-51:-1]
    assert shown == [str(job.uid) for job in wanted]


def test_a_summary_is_that_of_the_row_and_follows_its_version():
    [job] = make(1, "running")
    assert board.board()["jobs"] == [Job.objects.get().summary()]
    Job.objects.filter(pk=job.pk).update(version=2, progress_done=7)
    assert board.board()["jobs"] == [Job.objects.get().summary()]
    job.delete()
    assert board.board()["jobs"] == []


def test_the_numbers_count_what_is_not_shown():
    make(120, "queued")
    make(3, "scheduled", due_at=timezone.now())
    make(4, "failed")
    make(2, "succeeded", finished_at=timezone.now() - timedelta(hours=2))
    stats = board.board()["stats"]
    assert stats == {
        "now": {"scheduled": 3, "queued": 120, "running": 0, "retrying": 0},
        "last_hour": {"succeeded": 0, "failed": 4, "cancelled": 0},
    }


def test_queues_and_workers():
    now = timezone.now()
    Worker.objects.create(name="w1", host="h", pid=1, queues=["default"], concurrency=2, seen_at=now, started_at=now)
    [job] = make(1, "running", worker="w1")
    make(2, "queued", created_at=now - timedelta(seconds=50))
    notify.pause("io")
    queues = {queue["name"]: queue for queue in board.queues()}
    assert queues["io"]["paused"]
    default = queues["default"]
    assert (default["queued"], default["running"], default["workers"], default["started_per_min"]) == (2, 1, 1, 1)
    assert 50 <= default["oldest_s"] < 80
    [worker] = board.workers()
    assert (worker["running"], worker["alive"], worker["concurrency"]) == ([str(job.uid)], True, 2)


def test_a_detail_and_its_log():
    [job] = make(1, "failed", error="no", log_seq=700)
    LogLine.objects.bulk_create(LogLine(job=job, seq=i, at=job.created_at, text=str(i)) for i in range(1, 701))
    detail = details.detail(str(job.uid))
    assert [line["seq"] for line in detail["log"]] == list(range(201, 701))
    assert [line["seq"] for line in details.detail(job, after=10, lines=3)["log"]] == [11, 12, 13]
    assert detail.keys() == job.summary().keys() | {"params", "result", "attempts", "log"}
    assert details.detail(uid(404)) is None


@pytest.mark.parametrize("period", history.PERIODS)
def test_bars_count_rolled_up_minutes_and_the_rest_once(period):
    length, width = history.PERIODS[period]
    now = timezone.now()
    long_ago = history.floor(now - length / 2, history.MINUTE)
    histogram = [0] * (len(history.EDGES) + 1)
    Minute.objects.create(
        at=long_ago, kind="noop", queue="default", outcome="failed", n=5, waiting=histogram, running=histogram
    )
    make(3, "succeeded")
    bars = served.counts([OWN], period)["buckets"]
    assert len(bars) == length // width
    assert sum(bar["succeeded"] for bar in bars) == 3
    assert sum(bar["failed"] for bar in bars) == 5


def test_waiting_and_running_times():
    now = timezone.now()
    make(100, "succeeded", created_at=now - timedelta(seconds=20), started_at=now - timedelta(seconds=4))
    [kind] = served.counts([OWN], "1h")["kinds"]
    assert kind["kind"] == "noop"
    assert 10 <= kind["wait_p50_s"] <= 20
    assert 2 <= kind["run_p50_s"] <= kind["run_p95_s"] <= 5


def plans_of(ask):
    """Query → the lines of its plan, for each SELECT on jobs that ``ask`` makes, with its parameters."""
    asked = []

    def listen(execute, sql, params, many, context):
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        ask()
    found = {}
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        for sql, params in asked:
            if sql.startswith("SELECT") and 'FROM "tasks_job"' in sql:
                cursor.execute(explain + sql, params)
                found[sql] = [row[-1] for row in cursor.fetchall()]
    return found


OF_LIVE_STATES = {"job_queued", "job_running", "job_due"}  # partial: as long as what is alive, not as history


def test_no_question_of_the_board_reads_the_whole_history():
    make(50, "succeeded")
    make(5, "queued")
    make(5, "running")
    make(5, "retrying", due_at=timezone.now())
    with analyzed(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")  # such a small table would rather be read whole
        try:
            plans = plans_of(board.board)
        finally:
            if connection.vendor == "postgresql":
                cursor.execute("RESET enable_seqscan")
    assert len(plans) > 5
    for sql, plan in plans.items():
        assert plan
        for line in plan:
            assert not line.startswith("SCAN tasks_job") or line.rpartition(" ")[2] in OF_LIVE_STATES, (sql, plan)
            assert "Seq Scan on tasks_job" not in line, (sql, plan)


def test_the_oldest_waits_since_it_was_queued_for_its_newest_attempt():
    now = timezone.now()
    tried = make(1, "failed", created_at=now - timedelta(days=2))[0]
    lifecycle.retry(tried.uid)
    assert next(q for q in board.queues() if q["name"] == "default")["oldest_s"] < 20
    again = {"queued_at": now - timedelta(seconds=5), "created_at": now - timedelta(days=1)}
    make(600, "queued", **again)  # as after an outage: all of them are retried
    make(3, "queued", created_at=now - timedelta(seconds=100))
    make(3, "queued", priority=1, created_at=now - timedelta(seconds=70))
    assert 100 <= next(q for q in board.queues() if q["name"] == "default")["oldest_s"] < 130

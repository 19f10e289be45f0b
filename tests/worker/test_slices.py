"""A message calls a worker's process, which goes on with the next jobs: few messages, the database's order."""

import os
import statistics
from itertools import pairwise

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.engine import broker, calls, lifecycle, notify
from tasks.engine.models import Job
from tasks.queries import board
from tests.support.analyzed import analyzed
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
ME = ("w1@here", os.getpid())


@pytest.fixture(autouse=True)
def empty_broker(servers, monkeypatch):
    """Messages that an earlier test left would wait in the queues too."""
    with redis.from_url(servers.redis_url) as link:
        link.flushdb()
    monkeypatch.setattr(broker, "_quiet_until", 0.0)  # as an earlier test may have lost its broker


def wait_for_all(jobs: list[Job], seconds: float = 60) -> list[Job]:
    keys = [job.pk for job in jobs]

    def done() -> bool:
        return Job.objects.filter(pk__in=keys, finished_at__isnull=False).count() == len(keys)

    wait_until(done, seconds, f"the end of {len(keys)} jobs")
    return list(Job.objects.filter(pk__in=keys).order_by("started_at", "id"))


def claim_next(queue: str = "default") -> Job | None:
    return lifecycle.claim_next([queue], calls.called(), *ME)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="tests/engine/test_analyze.py counts what PostgreSQL reads")
def test_a_claim_passes_no_job_with_a_serial_key():
    lifecycle.submit_many("noop", [{}] * 3)
    with CaptureQueriesContext(connection) as captured:
        assert claim_next() and calls.heads(["default"])
    said = [query["sql"] for query in captured if "job_next" in query["sql"]]
    with connection.cursor() as cursor:
        for sql in said:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row[-1]) for row in cursor.fetchall())
            assert "job_next (queue=? AND app=?)" in plan and "job_queued" not in plan, plan
    assert len(said) == 2


# --- few messages ------------------------------------------------------------------------------------------------


@pytest.mark.process
def test_many_jobs_need_few_messages_and_each_runs_once(start_worker):
    jobs = lifecycle.submit_many("noop", [{}] * 600)
    jobs += [lifecycle.submit("noop", {})[0] for _ in range(20)]
    assert broker.ready("default") == broker.ROOM
    start_worker("w1", concurrency=2)
    done = wait_for_all(jobs)
    assert {(job.state, job.attempt) for job in done} == {("succeeded", 1)}
    wait_until(lambda: broker.ready("default") == 0, what="an empty queue")


def test_what_the_broker_holds_does_not_grow_with_the_jobs(servers):
    lifecycle.submit("noop", {})
    with redis.from_url(settings.SIGNALBOX_BROKER_URL) as link:
        lifecycle.submit_many("noop", [{}] * 100)
        few = link.info("memory")["used_memory_dataset"]
        for _ in range(4):
            lifecycle.submit_many("noop", [{}] * 500)
        assert link.info("memory")["used_memory_dataset"] - few < 200_000  # 2,000 messages are 2 MB
        assert link.llen(f"{settings.SIGNALBOX_NAME}:{broker.broker_name('default')}\x06\x164") <= broker.ROOM


def test_where_enough_messages_wait_many_jobs_cost_the_broker_few_commands():
    def scripts() -> int:
        with redis.from_url(settings.SIGNALBOX_BROKER_URL) as link:
            return link.info("commandstats").get("cmdstat_eval", {}).get("calls", 0)

    lifecycle.submit_many("noop", [{}] * 40)
    lifecycle.submit_many("noop", [{}] * 40)
    assert broker.ready("default") == broker.ROOM
    before = scripts()
    lifecycle.submit_many("noop", [{}] * 500)
    assert scripts() - before <= 2
    assert broker.ready("default") == broker.ROOM


def test_a_job_that_only_its_own_message_starts_has_one_however_many_wait():
    lifecycle.submit_many("noop", [{}] * 100)
    jobs = [lifecycle.submit("serial", {"feed": str(n)})[0] for n in range(5)]
    assert calls.has_own_messages("serial") and not calls.has_own_messages("noop")
    assert broker.ready("default") == broker.ROOM + len(jobs)


@pytest.mark.parametrize("kind", ["hard_limited", "softly_limited", "every_two_seconds"])
def test_any_message_starts_a_job_that_has_limits(kind):
    lifecycle.submit_many(kind, [{}] * 100)
    assert broker.ready("default") == broker.ROOM


def claim_of(*queues: str, kinds: list[str] | None = None) -> str | None:
    job = lifecycle.claim_next(queues, calls.called() if kinds is None else kinds, *ME)
    return job and f"{job.queue} {job.priority}"


def test_the_next_job_of_many_queues_is_the_most_urgent_and_among_equal_ones_of_the_first():
    for queue, priority in (("io", 3), ("default", 3), ("io", 7), ("default", 3)):
        lifecycle.submit("noop", {}, queue=queue, priority=priority)
    assert claim_of("default", "io", "nothing-here") == "io 7"
    assert claim_of("io", "default") == "io 3"
    assert claim_of("io", "default") == "default 3"
    assert claim_of("io") is None
    assert claim_of("default", "io") == "default 3"
    assert claim_of("default", "io") is None


def test_what_cannot_start_in_one_queue_hides_no_other():
    lifecycle.submit("every_two_seconds", {}, priority=9)
    lifecycle.submit("noop", {}, queue="io", priority=3)
    without = [kind for kind in calls.called() if kind != "every_two_seconds"]
    assert claim_of("default", "io", kinds=without) == "io 3"
    lifecycle.submit("noop", {}, queue="io", priority=4)
    notify.pause("default")
    assert claim_of("default", "io") == "io 4"


@pytest.mark.process
def test_a_worker_goes_on_when_the_broker_has_lost_its_messages(start_worker):
    jobs = lifecycle.submit_many("noop", [{}] * 300)
    with redis.from_url(settings.SIGNALBOX_BROKER_URL) as link:
        link.flushdb()
    start_worker("w1", concurrency=2)
    wait_for_all(jobs, 20)


@pytest.mark.process
def test_each_job_runs_by_its_own_kind_whatever_message_called(start_worker):
    jobs = [
        lifecycle.submit(*asked)[0]
        for _ in range(10)
        for asked in (("noop", {}), ("add", {"x": 1, "y": 2}), ("countdown", {"seconds": 0, "steps": 3}))
    ]
    start_worker("w1", concurrency=2)
    results = {"noop": None, "add": 3, "countdown": {"seconds": 0, "steps": 3}}
    assert [job.result for job in wait_for_all(jobs)] == [results[job.kind] for job in wait_for_all(jobs)]


# --- the order of the database -----------------------------------------------------------------------------------


def test_the_next_job_is_the_first_that_the_board_shows():
    given = [("noop", 5), ("noop", 0), ("noop", 9), ("noop", 5), ("noop", 9)]
    for kind, priority in given:
        lifecycle.submit(kind, {}, priority=priority)
    shown = [job["id"] for job in board.board()["jobs"] if job["state"] == "queued"]
    assert [str(claim_next().uid) for _ in given] == shown
    assert claim_next() is None


def test_the_next_job_is_of_a_queue_that_is_not_paused_and_of_a_kind_that_is_known():
    notify.pause("default")
    lifecycle.submit("noop", {})
    assert claim_next() is None
    notify.resume("default")
    assert lifecycle.claim_next(["default"], ["countdown"], *ME) is None
    assert lifecycle.claim_next(["default"], [], *ME) is None
    assert claim_next().kind == "noop"


@pytest.mark.long
def test_jobs_with_a_serial_key_wait_for_their_turn_and_hold_nobody_up():
    """Many jobs of one key at the head of a queue are passed by without a look at each."""

    rows = [lifecycle.submit("serial", {"feed": "a"})[0]]
    Job.objects.bulk_create(
        Job(
            kind="serial", queue="default", state="queued", serial_key=rows[0].serial_key, created_at=rows[0].created_at
        )
        for _ in range(3_000)
    )
    lifecycle.submit("noop", {}, priority=0)
    with analyzed(), CaptureQueriesContext(connection) as said:
        assert claim_next().kind == "noop"
        sql = next(each["sql"] for each in said if each["sql"].startswith("UPDATE tasks_job"))
        explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
        cursor = connection.cursor()
        cursor.execute(explain + sql.replace("%", "%%"))
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert "job_next" in plan, plan  # the index of jobs without a serial key


def test_heads_are_the_highest_priorities_of_the_queues_that_have_jobs():
    lifecycle.submit("noop", {}, priority=3)
    lifecycle.submit("noop", {}, priority=7)
    heads = calls.heads(["nothing-here", "default"])
    assert [(head.queue, head.kind, head.priority) for head in heads] == [("default", "noop", 7)]
    assert heads[0].uid == Job.objects.get(priority=7).uid
    assert calls.heads([]) == []


@pytest.mark.process
def test_queues_with_equal_load_wait_alike(start_worker):
    jobs = [lifecycle.submit(kind, {})[0] for _ in range(60) for kind in ("noop", "in_a_coroutine")]
    start_worker("w1", concurrency=1)
    done = wait_for_all(jobs)
    waits = [
        statistics.mean((job.started_at - job.created_at).total_seconds() for job in done if job.kind == kind)
        for kind in ("noop", "in_a_coroutine")
    ]
    began = min((job.started_at - job.created_at).total_seconds() for job in done)
    assert abs(waits[0] - waits[1]) < 0.2 * max(max(waits) - began, 0.5), waits


# --- whatever ends a slice ---------------------------------------------------------------------------------------


@pytest.mark.process
def test_a_process_runs_no_more_jobs_than_its_share(start_worker):
    jobs = lifecycle.submit_many("noop", [{}] * 25)
    start_worker("w1", concurrency=1, options=["--max-tasks-per-child", "10"])
    done = wait_for_all(jobs)
    shares = [len([job for job in done if job.pid == pid]) for pid in dict.fromkeys(job.pid for job in done)]
    assert max(shares) == 10 and len(shares) == 3, shares
    assert {(job.state, job.attempt) for job in done} == {("succeeded", 1)}


@pytest.mark.process
def test_a_slice_ends_and_hands_its_call_on(start_worker):
    """One message, and jobs for several slices."""
    start_worker("w1", concurrency=1, SIGNALBOX_SWEEP_S="600")
    blocker, _ = lifecycle.submit("countdown", {"seconds": 60})
    wait_until(lambda: Job.objects.get(pk=blocker.pk).state == "running")
    jobs = [lifecycle.submit("holds", {"seconds": 0.3})[0] for _ in range(4)]
    with redis.from_url(settings.SIGNALBOX_BROKER_URL) as link:
        for key in link.keys(f"*{broker.broker_name('default')}*"):
            if link.type(key) == b"list":
                link.ltrim(key, 0, 0)
    lifecycle.cancel(blocker.uid)
    done = wait_for_all(jobs, 20)
    for earlier, later in pairwise(done):
        assert (later.started_at - earlier.finished_at).total_seconds() < 0.5

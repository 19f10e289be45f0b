"""Order: long jobs starve nobody, the urgent go first, then the oldest; one key runs alone; deadlocks end well."""

import threading
from datetime import timedelta
from itertools import groupby, pairwise

import pytest
from django.db import OperationalError, connection, transaction

from tasks.engine import lifecycle, notify, transition
from tasks.engine.models import Job
from tasks.queries import board
from tests.support.processes import wait_until
from tests.worker.test_worker import ended

pytestmark = pytest.mark.django_db(transaction=True)


def all_ended(jobs: list[Job]) -> list[Job] | None:
    found = list(Job.objects.filter(pk__in=[job.pk for job in jobs], finished_at__isnull=False))
    return found if len(found) == len(jobs) else None


@pytest.mark.process
def test_short_jobs_do_not_wait_behind_a_long_one(start_worker):
    start_worker("w1", concurrency=2)
    long, _ = lifecycle.submit("countdown", {"seconds": 60})
    wait_until(lambda: Job.objects.get(pk=long.pk).state == "running")
    for _ in range(6):
        short, _ = lifecycle.submit("countdown", {"seconds": 0, "steps": 1})
        done = wait_until(lambda job=short: ended(job), 10)
        assert (done.started_at - done.created_at).total_seconds() < 0.5
    lifecycle.cancel(long.uid)
    wait_until(lambda: ended(long), 10)


@pytest.mark.process
def test_the_urgent_go_first_and_then_the_oldest(start_worker):
    jobs = [lifecycle.submit("noop", {}, priority=priority)[0] for priority in (0, 5, 9, 5, 0, 9)]
    start_worker("w1", concurrency=1)
    done = sorted(wait_until(lambda: all_ended(jobs)), key=lambda job: job.started_at)
    assert [job.pk for job in done] == [jobs[i].pk for i in (2, 5, 1, 3, 0, 4)]


@pytest.mark.process
def test_queues_take_turns_within_a_priority_and_the_board_says_so(start_worker):
    """A queue whose name comes first in the alphabet keeps nobody waiting; the urgent of any queue go before all."""
    jobs = [lifecycle.submit(kind, {})[0] for kind in ["noop"] * 12 + ["in_a_coroutine"] * 12]
    urgent, _ = lifecycle.submit("in_a_coroutine", {}, priority=9)
    shown = [job["id"] for job in board.board()["jobs"] if job["state"] == "queued"]
    assert shown[:3] == [str(job.uid) for job in (urgent, jobs[0], jobs[12])]
    start_worker("w1", concurrency=1)
    done = sorted(wait_until(lambda: all_ended([*jobs, urgent]), 60), key=lambda job: job.started_at)
    assert done[0].pk == urgent.pk
    queues = [job.queue for job in done[1:]]
    assert max(len(list(run)) for _, run in groupby(queues)) <= 3, queues
    for queue in set(queues):
        keys = [job.pk for job in done[1:] if job.queue == queue]
        assert keys == sorted(keys), "within a queue the oldest goes first"


@pytest.mark.process
def test_jobs_of_one_key_run_one_at_a_time_and_in_order(start_worker):
    start_worker("w1", concurrency=2)
    start_worker("w2", concurrency=2)
    jobs = [lifecycle.submit("serial", {"feed": "a", "seconds": 0.1})[0] for _ in range(12)]
    done = sorted(wait_until(lambda: all_ended(jobs), 40), key=lambda job: job.started_at)
    assert [job.pk for job in done] == [job.pk for job in jobs]
    assert all(earlier.finished_at <= later.started_at for earlier, later in pairwise(done))


@pytest.mark.process
def test_a_paused_queue_rests_and_resumes(start_worker):
    start_worker("w1")
    notify.pause("default")
    jobs = [lifecycle.submit("noop", {})[0] for _ in range(20)]
    other, _ = lifecycle.submit("in_a_coroutine", {})
    wait_until(lambda: ended(other))
    assert not Job.objects.filter(queue="default").exclude(state="queued").exists()
    notify.resume("default")
    wait_until(lambda: all_ended(jobs))


def test_a_deadlock_on_postgresql_ends_well_for_both():
    """Two transactions lock two jobs crosswise: the server ends one of them, which starts again and finishes."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: the next test is its counterpart")
    first, second = (lifecycle.submit("noop", {})[0] for _ in range(2))
    both_hold, tries, errors = threading.Barrier(2, timeout=10), [], []

    @transition.retry_on_lock
    def cross(one: Job, other: Job) -> None:
        tries.append(one.pk)
        with transaction.atomic():
            transition.move({"priority": 7}, "uid = %s", [one.uid])
            if len(tries) <= 2:
                both_hold.wait()
            transition.move({"priority": 8}, "uid = %s", [other.uid])

    def run(one: Job, other: Job) -> None:
        try:
            cross(one, other)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert len(tries) == 3
    assert {job.version for job in Job.objects.all()} == {3}


def test_a_busy_database_is_tried_again_from_the_start():
    tries = []

    @transition.retry_on_lock
    def busy() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return "written"

    assert busy() == "written"
    assert len(tries) == 3


def test_what_is_next_over_all_queues():
    """Within a priority one of each queue in turn, however long one of them is; what is paused is not next."""
    kinds = ["noop"] * board.QUEUED + ["in_a_coroutine"] * 3 + ["prune"]
    jobs = [lifecycle.submit(kind, {})[0] for kind in kinds]
    urgent, _ = lifecycle.submit("noop", {}, priority=6)
    notify.pause(jobs[-1].queue)
    shown = [job["id"] for job in board.board()["jobs"]]
    first = [urgent, jobs[0], jobs[board.QUEUED], jobs[1], jobs[board.QUEUED + 1], jobs[2], jobs[board.QUEUED + 2]]
    assert shown[:7] == [str(job.uid) for job in first]
    assert len(shown) == board.QUEUED and str(jobs[-1].uid) not in shown


def test_an_attempt_begins_after_the_one_before_it_and_ends_after_its_own_beginning(monkeypatch):
    """Who waits for its turn has read the clock before; and the clock of its host may be behind."""
    job, _ = lifecycle.submit("noop", {})
    lifecycle.rescue(lifecycle.claim(job.uid, "w1@here", 1))
    early = lifecycle.now() - timedelta(seconds=2)
    monkeypatch.setattr(lifecycle, "now", lambda: early)
    again = lifecycle.claim(job.uid, "w1@there", 1)
    assert again.started_at == again.queued_at == again.attempts.get().finished_at
    done = lifecycle.succeed(again)
    assert done.finished_at == done.started_at == Job.objects.get(pk=job.pk).started_at

"""Rate limits: each worker starts jobs of a kind at its rate, and runs other kinds meanwhile."""

import multiprocessing
import os
import signal
import time
from itertools import pairwise

import pytest
import redis

from tasks.engine import lifecycle, registry
from tasks.engine.models import Job
from tasks.worker.rates import Buckets
from tests.support.processes import wait_until
from tests.worker.test_slices import wait_for_all
from tests.worker.test_worker import ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
FORKED = multiprocessing.get_context("fork")
EARLY_S = 0.15  # by which two starts may seem nearer: a start is written with the claim, the token taken after it


@pytest.fixture(autouse=True)
def empty_broker(servers):
    with redis.from_url(servers.redis_url) as link:
        link.flushdb()


def gaps(jobs: list[Job]) -> list[float]:
    """Seconds between the starts of jobs, in their order."""
    starts = sorted(job.started_at for job in jobs)
    return [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_jobs_of_other_kinds_run_while_a_rate_limit_lets_none_of_its_kind_start(start_worker, pool):
    start_worker("w1", concurrency=1, pool=pool, SIGNALBOX_SWEEP_S="600")
    rated = [lifecycle.submit("every_two_seconds", {})[0] for _ in range(4)]
    wait_until(lambda: ended(rated[0]), 20, "the first job")
    for _ in range(3):
        other, _ = lifecycle.submit("noop", {})
        done = wait_until(lambda other=other: ended(other), 10, "a job of another kind")
        assert (done.started_at - done.created_at).total_seconds() < 1.2
    assert ended(rated[-1]) is None, [(j.kind, j.started_at, j.finished_at) for j in Job.objects.order_by("id")]
    found = gaps(wait_for_all(rated, 30))
    assert all(2 - EARLY_S < gap < 3.5 for gap in found), found


def test_all_processes_of_a_worker_share_a_rate(start_worker):
    start_worker("w1", concurrency=3, SIGNALBOX_SWEEP_S="600")
    found = gaps(wait_for_all(lifecycle.submit_many("every_two_seconds", [{}] * 4), 30))
    assert all(2 - EARLY_S < gap < 3.5 for gap in found), found


def test_a_high_rate_is_reached(start_worker):
    start_worker("w1", concurrency=2, SIGNALBOX_SWEEP_S="600")
    done = wait_for_all(lifecycle.submit_many("twenty_a_second", [{}] * 61), 30)
    took = (done[-1].started_at - done[0].started_at).total_seconds()
    assert 60 / 20 - EARLY_S < took < 60 / 20 * 2.5, took


def test_jobs_with_a_serial_key_keep_a_rate_too(start_worker):
    start_worker("w1", concurrency=2, SIGNALBOX_SWEEP_S="600")
    jobs = [lifecycle.submit("serial_every_second", {"feed": feed})[0] for feed in "aabb"]
    found = gaps(wait_for_all(jobs, 30))
    assert all(1 - EARLY_S < gap < 2.5 for gap in found), found


def test_a_worker_that_starts_runs_what_waits_for_a_rate_without_a_message(start_worker, servers):
    jobs = lifecycle.submit_many("every_two_seconds", [{}] * 2)
    with redis.from_url(servers.redis_url) as link:
        link.flushdb()
    began = time.monotonic()
    start_worker("w1", concurrency=1, SIGNALBOX_SWEEP_S="600")
    wait_for_all(jobs, 30)
    assert time.monotonic() - began < 25


def take_for(buckets: Buckets, seconds: float, taken) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with buckets.turn() as empty:
            if "twenty_a_second" not in empty:
                buckets.take("twenty_a_second")
                with taken.get_lock():
                    taken.value += 1
    os._exit(0)


def test_no_two_processes_take_the_same_token():
    buckets, taken = Buckets([registry.get("twenty_a_second")]), FORKED.Value("i", 0)
    began = time.monotonic()
    processes = [FORKED.Process(target=take_for, args=(buckets, 2.0, taken)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert 2 < taken.value <= 20 * (time.monotonic() - began) + 1


def hold(buckets: Buckets, ready) -> None:
    with buckets.turn():
        ready.set()
        time.sleep(600)


def test_a_process_that_dies_in_its_turn_holds_nobody_up():
    buckets, ready = Buckets([registry.get("twenty_a_second")]), FORKED.Event()
    process = FORKED.Process(target=hold, args=(buckets, ready))
    process.start()
    assert ready.wait(20)
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)
    began = time.monotonic()
    with buckets.turn() as empty:
        assert empty == set()
    assert time.monotonic() - began < 1

"""Limits of a kind end its job with that reason, and the worker serves on."""

import os
import signal
import time
from contextlib import suppress

import pytest
import redis

from tasks.engine import broker, lifecycle
from tasks.engine.models import Job
from tests.support.processes import wait_until
from tests.worker.test_slices import wait_for_all
from tests.worker.test_worker import ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.mark.parametrize("kind", ["softly_limited", "hard_limited"])
def test_a_job_over_its_time_limit_fails_with_that_reason(start_worker, kind):
    start_worker("w1", concurrency=1)
    job, _ = lifecycle.submit(kind, {})
    done = wait_until(lambda: ended(job), 20, "the time limit")
    assert done.state == "failed"
    assert "Time limit" in done.error
    assert (done.finished_at - done.started_at).total_seconds() < 5
    after, _ = lifecycle.submit("noop", {})
    assert wait_until(lambda: ended(after), 20).state == "succeeded"


@pytest.mark.parametrize("kind", ["softly_limited", "hard_limited", "holds_the_interpreter"])
def test_the_limit_of_the_second_job_of_a_slice_is_its_own(start_worker, servers, kind):
    """Both run in one process for one message; the time of the first is no part of the second's."""
    jobs = lifecycle.submit_many(kind, [{"seconds": 0.1}, {"seconds": 30}])
    after, _ = lifecycle.submit("noop", {}, priority=0)
    with redis.from_url(servers.redis_url) as link:
        for key in link.keys(f"*{broker.broker_name('default')}*"):
            if link.type(key) == b"list":
                link.ltrim(key, 0, 0)
    start_worker("w1", concurrency=1, SIGNALBOX_SWEEP_S="600")
    first, second = wait_for_all(jobs, 40)
    assert (first.state, second.state) == ("succeeded", "failed")
    assert "Time limit" in second.error and first.pid == second.pid
    took = (second.finished_at - second.started_at).total_seconds()
    assert 0.95 < took < 2.5, took
    done = wait_until(lambda: ended(after), 20, "the job after it")
    assert (done.state, done.attempt) == ("succeeded", 1)
    assert (done.pid == second.pid) == (kind == "softly_limited")


def test_a_soft_signal_that_comes_between_two_jobs_says_nothing_to_the_next(start_worker):
    """As it would come if a job ended in the moment in which its limit is reached."""
    start_worker("w1", concurrency=1)
    first, _ = lifecycle.submit("noop", {})
    pid = wait_until(lambda: ended(first), 20).pid
    jobs = lifecycle.submit_many("softly_limited", [{"seconds": 0.002}] * 200)
    keys, until = [job.pk for job in jobs], time.monotonic() + 60
    while Job.objects.filter(pk__in=keys, finished_at=None).exists() and time.monotonic() < until:
        for _ in range(50):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
            time.sleep(0.001)
    done = wait_for_all(jobs, 20)
    assert {(job.state, job.attempt, job.pid) for job in done} == {("succeeded", 1, pid)}


@pytest.mark.parametrize("option", ["--time-limit", "--soft-time-limit"])
def test_a_limit_for_all_jobs_of_a_worker_counts_for_kinds_without_one(start_worker, option):
    start_worker("w1", concurrency=1, options=[option, "1"])
    jobs = [lifecycle.submit("holds", {"seconds": seconds})[0] for seconds in (0.1, 30)]
    first, second = wait_for_all(jobs, 40)
    assert (first.state, second.state) == ("succeeded", "failed")
    assert "Time limit" in second.error


def test_a_job_that_kills_its_process_stops_at_its_last_attempt_and_the_worker_serves_on(start_worker):
    start_worker("w1", concurrency=1)
    job, _ = lifecycle.submit("kills_itself", {})
    done = wait_until(lambda: ended(job), 60, "the last attempt")
    assert (done.state, done.attempt, done.max_attempts) == ("failed", 4, 4)
    assert [a.outcome for a in done.attempts.all()] == ["lost"] * 4
    after, _ = lifecycle.submit("noop", {})
    assert wait_until(lambda: ended(after), 20).state == "succeeded"


def test_an_async_kind_and_a_plain_function_run(start_worker):
    start_worker("w1")
    first, _ = lifecycle.submit("in_a_coroutine", {"seconds": 0.1})
    second, _ = lifecycle.submit("plain_task", {"a": 1})
    assert wait_until(lambda: ended(first)).result == "awaited"
    assert wait_until(lambda: ended(second)).result == 3


def test_waiting_for_a_job_inside_a_job_is_refused(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("waits_for_another", {})
    done = wait_until(lambda: ended(job))
    assert done.state == "failed"
    assert "cannot wait for another job" in done.error

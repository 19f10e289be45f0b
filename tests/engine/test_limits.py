"""Limits of a kind end its job with that reason, and the worker serves on."""

import pytest

from tasks.engine import lifecycle
from tests.support.processes import wait_until
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

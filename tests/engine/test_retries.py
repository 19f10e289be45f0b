"""Retries are Celery's options kept in the row: backoff, jitter, limits, and the same job again by a person's hand."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from tasks.engine import lifecycle
from tasks.engine.models import Attempt, Job
from tests.support.processes import wait_until
from tests.worker.test_worker import ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


def test_a_kind_that_fails_twice_succeeds_at_its_third_attempt(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("unlucky", {"fails": 2})
    for attempt in (1, 2):
        waiting = wait_until(
            lambda n=attempt: (j := Job.objects.get(pk=job.pk)).attempt == n and j.state == "retrying" and j
        )
        assert waiting.error == f"GatewayError: 502 at attempt {attempt}"
        delay = (waiting.due_at - waiting.attempts.get(number=attempt).finished_at).total_seconds()
        assert -1 < delay <= 8 * 2 ** (attempt - 1) + 1
        Job.objects.filter(pk=job.pk).update(due_at=lifecycle.now())  # nobody has to wait for a test's backoff
    done = wait_until(lambda: ended(job), 15)
    assert (done.state, done.result, done.max_attempts, done.error) == ("succeeded", 3, 6, "")
    assert [(a["number"], a["outcome"]) for a in done.attempt_list()] == [
        (1, "retrying"),
        (2, "retrying"),
        (3, "succeeded"),
    ]


def test_retry_from_inside_the_code_stops_at_max_retries(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("asks_again", {})
    done = wait_until(lambda: ended(job), 20)
    assert (done.state, done.attempt, done.error) == ("failed", 3, "GatewayError: retries so far: 2")
    assert [a.outcome for a in done.attempts.order_by("number")] == ["retrying", "retrying", "failed"]
    again = lifecycle.retry(job.uid)
    assert again.uid == job.uid
    wait_until(lambda: Job.objects.get(pk=job.pk).attempt == 6 and ended(job), 20, "three more attempts")


def test_an_own_failure_without_a_policy_is_final(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("countdown", {"seconds": 0, "steps": 1, "fail": True})
    done = wait_until(lambda: ended(job))
    assert (done.state, done.attempt) == ("failed", 1)


def test_what_is_due_starts_then_and_not_at_the_next_sweep(start_worker):
    start_worker("w1", SIGNALBOX_SWEEP_S="60")
    soon = lifecycle.now() + timedelta(seconds=2)
    scheduled, _ = lifecycle.submit("countdown", {"seconds": 0, "steps": 1}, due_at=soon)
    retried, _ = lifecycle.submit("asks_again", {"countdown": 1})
    for job in (scheduled, retried):
        wait_until(lambda job=job: ended(job), 25, "its start, long before the next sweep")


def test_a_thousand_failures_in_one_second_do_not_come_back_as_a_herd(start_worker):
    """What each one waits from its failure until it is queued again: how busy the machine is does not bunch that."""
    start_worker("w1")
    jobs = lifecycle.submit_many("unlucky", [{"fails": 1}] * 1_000)
    wait_until(lambda: Job.objects.filter(state="succeeded").count() == len(jobs), 90, "the end of all")
    failed = Attempt.objects.filter(number=1).values_list("finished_at", "job__queued_at")
    waits = Counter(int((again - at).total_seconds()) for at, again in failed)
    assert sum(waits.values()) == 1_000
    assert max(waits.values()) <= 250, sorted(waits.items())


def test_a_sweep_does_not_gather_what_jitter_has_spread(start_worker):
    """As if 400 jobs had failed in one instant; counted by the clock, with the default sweep of 5 s."""
    start_worker("w1", concurrency=2, SIGNALBOX_SWEEP_S="5")
    failed_at = lifecycle.now() + timedelta(seconds=2)  # until all rows are there
    jobs = lifecycle.submit_many("noop", [{}] * 400, due_at=failed_at)
    for job in jobs:
        job.due_at = failed_at + timedelta(seconds=random.Random(job.id).uniform(0, 8))
    Job.objects.bulk_update(jobs, ["due_at"], batch_size=200)
    wait_until(lambda: Job.objects.filter(state="succeeded").count() == len(jobs), 90, "the end of all")
    queued = Counter(int((job.queued_at - failed_at).total_seconds()) for job in Job.objects.all())
    assert max(queued.values()) <= 150, sorted(queued.items())  # a sweep would gather 250

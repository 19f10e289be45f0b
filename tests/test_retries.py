"""Retries are Celery's options kept in the row: backoff, jitter, limits, and the same job again by a person's hand."""

from collections import Counter

import pytest

from tasks import lifecycle
from tasks.models import Job
from tests.processes import wait_until
from tests.test_worker import ended

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


def test_a_thousand_failures_in_one_second_do_not_come_back_as_a_herd(start_worker):
    start_worker("w1")
    jobs = lifecycle.submit_many("unlucky", [{"fails": 1}] * 1_000)
    retrying = Job.objects.filter(state="retrying", attempt=1)
    wait_until(lambda: retrying.count() + Job.objects.exclude(state="queued").filter(attempt=2).count() > 0, 20)
    wait_until(lambda: not Job.objects.filter(state="succeeded").count() < len(jobs), 90, "the end of all")
    delays = Counter()
    for job in Job.objects.prefetch_related("attempts"):
        delays[int((job.started_at - job.attempts.get(number=1).finished_at).total_seconds())] += 1
    assert sum(delays.values()) == 1_000
    due = Counter(round(s) for s in delays.elements())
    assert max(due.values()) <= 250, due

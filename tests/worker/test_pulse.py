"""The pulse: twenty thousand calls a second become four writes a second, and a job that is stopped is accounted for."""

import os
import signal

import pytest

from tasks.engine import lifecycle
from tasks.engine.models import Job, Worker
from tests.support.processes import wait_until
from tests.worker.test_worker import ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


def test_a_storm_of_progress_is_few_writes_and_the_last_value_stays(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("chatters", {"seconds": 10})
    done = wait_until(lambda: ended(job), 40, "the end of the storm")
    assert (done.state, done.result, done.progress_done) == ("succeeded", 200_000, 200_000)
    assert done.version - 2 <= 41 + 1, "claim, then at most 41 writes of progress, the last of them the end"


def test_a_deaf_job_is_stopped_after_its_grace_and_the_worker_serves_on(start_worker):
    start_worker("w1", concurrency=1)
    job, _ = lifecycle.submit("deaf", {})
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running")
    lifecycle.cancel(job.uid)
    done = wait_until(lambda: ended(job), 10, "the stop")
    assert done.state == "cancelled"
    assert "Stopped 1 s after the cancel" in done.attempts.get().error
    after, _ = lifecycle.submit("noop", {})
    assert wait_until(lambda: ended(after), 20, "the next job").state == "succeeded"


def test_sigterm_gives_back_what_cannot_finish_in_time(start_worker):
    first = start_worker("w1", concurrency=1)
    job, _ = lifecycle.submit("deaf", {"seconds": 300})
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running")
    os.kill(first.pid, signal.SIGTERM)
    given_back = wait_until(lambda: (j := Job.objects.get(pk=job.pk)).state == "queued" and j, 10, "the release")
    assert (given_back.failures, given_back.attempts.get().outcome) == (0, "released")
    first.process.wait(10)
    row = Worker.objects.get()
    assert row.stopped_at is not None
    start_worker("w2", concurrency=1)
    wait_until(lambda: Job.objects.get(pk=job.pk).attempt == 2, 10, "the second attempt")


def test_a_short_job_ends_before_the_worker_does(start_worker):
    worker = start_worker("w1", concurrency=1)
    job, _ = lifecycle.submit("countdown", {"seconds": 2})
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running")
    worker.stop()
    assert Job.objects.get(pk=job.pk).state == "succeeded"


@pytest.mark.pure
@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_worker_without_children_has_nothing_to_complain_of(start_worker, pool):
    worker = start_worker("w1", concurrency=1, pool=pool)
    job, _ = lifecycle.submit("noop", {})
    assert wait_until(lambda: ended(job), 20, "the end").state == "succeeded"
    wait_until(lambda: Worker.objects.filter(beat__gt=1), 20, "a second heartbeat")
    assert " ERROR " not in worker.log() and "Traceback" not in worker.log()

"""A process that dies under a job is reported at once, with how it died."""

import os
import signal

import pytest
from django.db import connection

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
SLOW = {"SIGNALBOX_HEARTBEAT_S": "10", "SIGNALBOX_LEASE_S": "60"}  # who notices it is not the reaper
WAYS = {
    "exit": "with exit code 3.",
    "segmentation fault": "by SIGSEGV.",
    "SIGABRT": "by SIGABRT.",
    "SIGKILL": "by SIGKILL; often the system has no memory left then.",
}


def test_a_crash_is_reported_at_once_and_how(start_worker) -> None:
    start_worker("w1", concurrency=1, **SLOW)
    reported, took = {}, {}
    for how in WAYS:
        job, _ = lifecycle.submit("crashes", {"how": how})
        done = wait_until(lambda pk=job.pk: Job.objects.filter(pk=pk, state="failed").first(), 20, f"the end of {how}")
        reported[how] = {done.error, *done.attempts.values_list("error", flat=True)}
        took[how] = (done.finished_at - done.started_at).total_seconds()
        assert [each.outcome for each in done.attempts.all()] == ["lost", "lost"]
    assert reported == {how: {f"The process that ran the job died {said}"} for how, said in WAYS.items()}
    assert max(took.values()) < 2, took


@pytest.mark.parametrize("how", ["SIGSTOP", "a regular expression", "another program"])
def test_a_process_that_does_not_move_any_more_is_ended_and_its_place_is_free_again(start_worker, how) -> None:
    """Though it is the only one of the only worker, and so nobody's reaper runs."""
    start_worker("w1", concurrency=1, SIGNALBOX_LEASE_S="2")
    job, _ = lifecycle.submit("crashes", {"how": how})
    done = wait_until(lambda: Job.objects.filter(pk=job.pk, state="failed").first(), 60, f"the end of {how}")
    assert "had not moved for " in done.error
    assert [each.outcome for each in done.attempts.all()] == ["lost", "lost"]
    after, _ = lifecycle.submit("noop", {})
    wait_until(lambda: Job.objects.filter(pk=after.pk, state="succeeded").exists(), 20, "the next job")


def test_a_process_that_cannot_write_any_more_ends_and_another_one_goes_on(start_worker) -> None:
    """It may not wait for ever for a database that all others can reach."""
    start_worker("w1", concurrency=1, **SLOW)
    job, _ = lifecycle.submit("crashes", {"how": "no file may grow"})
    done = wait_until(lambda: Job.objects.filter(pk=job.pk, state__in=Job.FINAL).first(), 60, "the end")
    if connection.vendor == "sqlite":
        assert (done.state, done.error) == ("failed", "The process that ran the job died with exit code 1.")
    else:
        assert (done.state, done.attempt) == ("succeeded", 1)
    after, _ = lifecycle.submit("noop", {})
    wait_until(lambda: Job.objects.filter(pk=after.pk, state="succeeded").exists(), 20, "the next job")
    assert Job.objects.get(pk=after.pk).pid != done.pid


def test_a_job_whose_process_gets_sigterm_again_and_again_stops_at_its_limit(start_worker) -> None:
    start_worker("w1", concurrency=1, **SLOW)
    job, _ = lifecycle.submit("crashes", {"how": "SIGTERM"})
    done = wait_until(lambda: Job.objects.filter(pk=job.pk, state="failed").first(), 30, "the last attempt")
    assert done.error == "The process that ran the job got the signal to end (SIGTERM)."
    assert [each.outcome for each in done.attempts.all()] == ["lost", "lost"]


def test_a_signal_to_worker_and_children_alike_gives_the_job_back_and_counts_nothing(start_worker) -> None:
    """As systemd sends it without KillMode=mixed: who is asked first to end is a matter of chance."""
    worker = start_worker("w1", concurrency=1, **SLOW)
    job, _ = lifecycle.submit("deaf", {"seconds": 300})
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running", 20, "its beginning")
    os.killpg(worker.pid, signal.SIGTERM)
    back = wait_until(lambda: Job.objects.filter(pk=job.pk, state="queued").first(), 10, "the job given back")
    attempt = back.attempts.get()
    assert (back.failures, attempt.outcome) == (0, "released"), f"{attempt.error}\n{worker.log()}"

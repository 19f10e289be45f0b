"""A lease is judged by a beat and a monotonic clock: the dead lose their jobs, the living keep them."""

import os
import signal
import time
from datetime import timedelta

import pytest

from tasks.engine import lifecycle, notify
from tasks.engine.models import Effect, Job
from tasks.worker import sweep
from tests.support.processes import wait_until
from tests.worker.test_worker import ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


def test_a_killed_worker_loses_its_job_to_another_within_ten_seconds(start_worker, tmp_path):
    default = {"SIGNALBOX_LEASE_S": "10", "SIGNALBOX_HEARTBEAT_S": "2", "SIGNALBOX_SWEEP_S": "5"}
    first = start_worker("w1", concurrency=1, **default)
    job, _ = lifecycle.submit("works", {"path": str(tmp_path / "ran"), "seconds": 60})
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running")
    start_worker("w2", concurrency=1, **default)
    first.kill()
    killed = time.monotonic()
    wait_until(lambda: Job.objects.get(pk=job.pk).attempt == 2, 20, "the second attempt")
    assert time.monotonic() - killed <= 10
    assert Job.objects.get(pk=job.pk).attempts.get().outcome == "lost"


def test_a_frozen_worker_that_thaws_writes_nothing_and_is_shown_as_fenced(start_worker, tmp_path):
    frozen = start_worker("w1", concurrency=1, SIGNALBOX_LEASE_S="2")
    job, _ = lifecycle.submit("works", {"path": str(tmp_path / "ran"), "seconds": 3})
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running")
    pids = [frozen.pid, *frozen.children()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    start_worker("w2", concurrency=1, SIGNALBOX_LEASE_S="2")
    done = wait_until(lambda: ended(job), 30, "the second attempt")
    assert (done.state, done.attempt) == ("succeeded", 2)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    fenced = wait_until(lambda: Job.objects.get(pk=job.pk).attempts.filter(outcome="fenced").first(), 20, "the fence")
    assert fenced.number == 1
    after = Job.objects.get(pk=job.pk)
    assert (after.version, after.finished_at, after.worker) == (done.version, done.finished_at, done.worker)
    assert Effect.objects.filter(job=job).count() == 1


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_jump_of_a_wall_clock_reaps_nobody(start_worker, monkeypatch, hours):
    """The reaper and the lifecycle of this process run two hours off; the worker's job keeps its first attempt."""
    start_worker("w1", concurrency=1, SIGNALBOX_LEASE_S="2")
    job, _ = lifecycle.submit("countdown", {"seconds": 5})
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running")
    right = lifecycle.now
    for module in (lifecycle, notify):
        monkeypatch.setattr(module, "now", lambda: right() + timedelta(hours=hours))
    reap = sweep.Reaper()
    wait_until(lambda: (reap(), sweep.wake(), sweep.dispatch(), ended(job))[3], 15, "the end of the countdown")
    assert (ended(job).state, ended(job).attempt) == ("succeeded", 1)

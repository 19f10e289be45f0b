"""Real workers: a message comes, the job runs, and the row has all of it."""

import re

import pytest

from project.valkey import free_port
from tasks.engine import lifecycle
from tasks.engine.models import Job, Worker
from tests.support.calls import call
from tests.support.people import person
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


def ended(job: Job) -> Job | None:
    found = Job.objects.select_related("owner").get(pk=job.pk)
    return found if found.state in Job.FINAL else None


def test_a_job_runs_and_its_row_has_all_of_it(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("countdown", {"seconds": 1, "steps": 4}, owner=person("alice"))
    done = wait_until(lambda: ended(job), what="the end of the countdown")
    shown = done.summary()
    assert (shown["state"], shown["attempt"], shown["owner"]) == ("succeeded", 1, "alice")
    assert shown["progress"] == {"done": 4, "total": 4, "note": ""}
    assert shown["worker"].startswith("w1@")
    assert done.result == {"seconds": 1, "steps": 4}
    assert [line.text for line in done.log.all()] == ["Counted down to zero."]
    worker = wait_until(lambda: Worker.objects.first(), what="the worker's row")
    assert worker.concurrency == 2
    assert {"default", "io"} <= set(worker.queues)


def test_a_failure_has_its_error_and_traceback_and_no_secret(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("keeps_a_secret", {"name": "n", "password": "hunter2-and-more"})
    done = wait_until(lambda: ended(job), what="the failure")
    assert (done.state, done.error) == ("failed", "ValueError: wrong password •••")
    everything = repr([done.params, done.error, done.progress_note, *done.attempts.values(), *done.log.values()])
    assert "hunter2" not in everything + done.traceback
    assert "raise ValueError" in done.traceback
    assert "tasks/worker/task.py" not in done.traceback, "what calls every job is of no use to a reader"


def test_a_running_job_sees_a_cancel(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("countdown", {"seconds": 60})
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running")
    asked = lifecycle.cancel(job.uid, person("bob"), "wrong one")
    assert (asked.state, asked.summary()["cancel_requested"]) == ("running", True)
    done = wait_until(lambda: ended(job), 5, "the cancel")
    assert (done.state, done.cancel_reason) == ("cancelled", "wrong one")
    assert (done.finished_at - done.cancel_requested_at).total_seconds() < 2


def test_the_request_that_asked_for_a_job_stands_in_the_workers_log(start_worker):
    worker = start_worker("w1")
    answer = call("alice", "manage").post(
        "jobs/", {"kind": "countdown", "params": {"seconds": 0, "steps": 1, "fail": True}}, X_Request_ID="shop-17"
    )
    wait_until(lambda: Job.objects.filter(state="failed").exists(), what="the failure")
    line = f"request=shop-17 job={answer.json()['id']}"
    wait_until(lambda: line in worker.log(), what="the line of the failure")


def test_a_worker_looks_for_its_broker_every_two_seconds(start_worker):
    """Celery's own waits longer and longer, up to half a minute: so long would jobs wait after a broker's return."""
    worker = start_worker("w1", wait=False, CELERY_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")
    tries = re.compile(r"Trying again in ([0-9.]+) seconds")
    wait_until(lambda: len(tries.findall(worker.log())) >= 3, 30, "the third try")
    assert {float(seconds) for seconds in tries.findall(worker.log())} == {2.0}


def test_what_a_task_logs_stands_in_the_jobs_log(start_worker):
    start_worker("w1")
    job, _ = lifecycle.submit("logs", {"password": "swordfish"})
    wait_until(lambda: ended(job), 20, "its end")
    (first, level), (second, worse) = job.log.order_by("seq").values_list("text", "level")
    assert (first, level) == ("charged with •••", "info")
    assert second.startswith("no change\nTraceback") and "the till is stuck" in second and worse == "error"

"""``app.control``: what health pages ask is answered from rows, and orders that no worker could take are refused."""

import pytest

from tasks.engine import lifecycle
from tasks.engine.celery_app import app
from tests.support.processes import wait_until
from tests.worker.test_worker import ended

pytestmark = pytest.mark.django_db(transaction=True)


def test_nobody_answers_where_no_worker_lives():
    assert app.control.inspect().ping() is None
    assert app.control.ping() == []


@pytest.mark.process
def test_what_is_asked_of_workers_is_answered_from_rows(start_worker):
    start_worker("w1", concurrency=2)
    job, _ = lifecycle.submit("holds", {"seconds": 60})
    wait_until(lambda: lifecycle.Job.objects.filter(pk=job.pk, state="running").exists(), 20, "the job")
    ask = app.control.inspect(timeout=0.1)
    (name,) = wait_until(ask.ping, 20, "the row of the worker")
    assert ask.ping() == {name: {"ok": "pong"}} and app.control.ping() == [{name: {"ok": "pong"}}]
    (active,) = ask.active()[name]
    assert (active["id"], active["name"], active["kwargs"]) == (str(job.uid), "tests.tasks.holds", {"seconds": 60})
    assert ask.stats()[name]["pool"] == {"max-concurrency": 2}
    assert "tests.tasks.holds" in ask.registered()[name]
    assert {"name": "default"} in ask.active_queues()[name]
    assert (ask.reserved(), ask.scheduled(), ask.revoked()) == ({name: []},) * 3
    assert app.control.inspect([name]).ping() and app.control.inspect(["nobody@here"]).ping() is None
    app.control.terminate(str(job.uid))
    assert wait_until(lambda: ended(job), 20).state == "cancelled"


@pytest.mark.process
@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_where_no_process_can_be_ended_a_revoked_job_ends_at_its_next_report(start_worker, pool):
    worker = start_worker("w1", concurrency=1, pool=pool)
    job, _ = lifecycle.submit("countdown", {"seconds": 60, "steps": 600})
    wait_until(lambda: lifecycle.Job.objects.filter(pk=job.pk, state="running").exists(), 20, "the job")
    app.control.revoke(str(job.uid), terminate=True)
    assert wait_until(lambda: ended(job), 20).state == "cancelled"
    after, _ = lifecycle.submit("noop", {})
    assert wait_until(lambda: ended(after), 20).pid == worker.pid


@pytest.mark.parametrize(
    "order",
    [
        lambda control: control.rate_limit("noop", "1/m"),
        lambda control: control.time_limit("noop", soft=1),
        lambda control: control.pool_grow(1),
        lambda control: control.add_consumer("q"),
        lambda control: control.cancel_consumer("q"),
        lambda control: control.shutdown(),
        lambda control: control.broadcast("anything"),
        lambda control: control.inspect().conf(),
        lambda control: control.inspect().memdump(),
    ],
)
def test_an_order_that_no_worker_takes_is_refused_in_a_sentence(order):
    with pytest.raises(NotImplementedError, match="workers of jobs are rows, and take no orders from the broker"):
        order(app.control)


def test_jobs_are_not_purged_with_messages():
    with pytest.raises(NotImplementedError, match="jobs are rows: cancel them instead"):
        app.control.purge()

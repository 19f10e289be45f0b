"""Every way in which a task of a watched application ends or goes on, as its worker says it and its row shows it."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import chain, chord, group

from tasks.engine.models import Attempt, Job
from tasks.observe.models import App
from tests.support.watched import Watching, row, soon, state, wait_state

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.pure]  # on any database
BOTH = pytest.mark.parametrize("shop", ["redis", "rabbitmq"], indirect=True)


@pytest.fixture
def shop(request, new_shop):
    """With results and without, so that neither is needed."""
    if getattr(request, "param", "") == "rabbitmq":
        shop = new_shop(broker=request.getfixturevalue("rabbit").url(), results=True)
    else:
        shop = new_shop(worker_send_task_events=True)
    shop.start(concurrency=2)
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", 30, "events on")
        yield shop
        soon(shop.has_told_all, 20, "the end of all")
        time.sleep(5)  # two beats: what is counted must stay nothing
        assert App.objects.get().unseen == 0


@BOTH
def test_each_end_is_shown_as_it_was(shop, tmp_path):
    fails = {
        shop.send("sleep", 30, time_limit=1): "TimeLimitExceeded",
        shop.send("sleep", 31, soft_time_limit=1): "SoftTimeLimitExceeded",
        shop.send("die"): "WorkerLostError",
        shop.send("reject"): "Reject",
        shop.send("fail", "no stock"): "ValueError: no stock",
    }
    for task, words in fails.items():
        job = wait_state(task, "failed", seconds=40)
        assert words in job.error, (task, job.error)
    late = shop.send("add", 1, 2, expires=datetime.now(UTC) - timedelta(minutes=1))
    assert wait_state(late, "cancelled").error == "It expired before it ran."
    again = shop.send("reject", str(tmp_path / "again"))
    job = wait_state(again, "succeeded", seconds=30)
    assert shop.diary()[again] == ["rejected", "succeeded"]
    assert job.attempt == 2 and [each.outcome for each in Attempt.objects.filter(job=job)] == ["released"]


def test_a_worker_told_by_somebody_else_to_stop_a_task_says_so(shop):
    running = shop.send("sleep", 60)
    wait_state(running, "running")
    shop.app.control.revoke(running, terminate=True)
    assert wait_state(running, "cancelled", seconds=20).error == "It was terminated."
    waits = shop.send("add", 1, 2, countdown=4)
    wait_state(waits, "scheduled")
    shop.app.control.revoke(waits)
    assert wait_state(waits, "cancelled", seconds=30).error == "It was revoked."


def test_a_state_of_the_application_is_a_task_that_runs(shop, tmp_path):
    task = shop.send("steps", str(tmp_path / "go"))
    wait_state(task, "running")
    time.sleep(3)  # a look and a result have come meanwhile
    assert state(task) == "running"
    (tmp_path / "go").touch()
    wait_state(task, "succeeded")


def test_a_task_that_is_replaced_is_one_row(shop):
    task = shop.send("replaced", 2, 3)
    job = wait_state(task, "succeeded", seconds=30)
    assert shop.diary()[task] == ["replaced", "succeeded"]
    assert job.kind in ("shop.replaced", "shop.add") and Job.every.filter(app="shop").count() == 1


@BOTH
def test_a_chain_a_group_and_a_task_that_calls_another_are_a_family(shop):
    add = shop.app.signature
    called = shop.send("parent")
    child = soon(lambda: Job.every.filter(app="shop", kind="shop.add").first(), what="the task that it called")
    assert str(child.parent) == called and str(child.root) == called
    ran = chain(add("shop.add", (1, 2)), add("shop.add", (3,)), add("shop.add", (4,)))()
    for task, before in ((ran.id, ran.parent.id), (ran.parent.id, ran.parent.parent.id)):
        job = wait_state(task, "succeeded")
        assert (str(job.parent), str(job.root)) == (before, ran.parent.parent.id)
    if shop.results:
        body = chord(group(add("shop.add", (n, n)) for n in range(5)))(add("shop.total"))
        wait_state(body.id, "succeeded", seconds=30)
        assert row(body.id).result in ("20", 20)
        assert all(wait_state(each.id, "succeeded") for each in body.parent.results)

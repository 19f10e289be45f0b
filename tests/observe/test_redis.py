"""A plain Celery application on Redis is watched without a line changed there."""

import pytest

from tasks.engine.models import Attempt, Ending
from tasks.observe import broker, control, knowledge
from tasks.observe.models import WatchedWorker
from tests.support.watched import Watching, row, soon, state, wait_state

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


def test_tasks_of_another_application_become_rows_with_the_state_they_truly_have(new_shop):
    shop = new_shop()
    shop.start()
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        added = shop.send("add", 2, kwargs={"b": 3, "api_key": "hunter2"})
        failed = shop.send("fail", "the disc is full")
        retried = shop.send("again", 2, 0.3)
        sleeping = shop.send("sleep", 1.5)

        job = wait_state(added, "succeeded")
        assert (job.kind, job.app, job.worker, job.attempt) == ("shop.add", "shop", "shop:w1@here", 1)
        assert job.result == "5"
        assert "hunter2" not in str(job.params) + job.title
        assert job.started_at <= job.finished_at

        assert wait_state(sleeping, "running").finished_at is None
        job = wait_state(failed, "failed")
        assert job.error == "ValueError: the disc is full"
        assert "shop.py" in job.traceback
        assert Ending.objects.filter(job=job, state="failed").count() == 1

        job = wait_state(retried, "succeeded")
        assert job.attempt == 3
        outcomes = [attempt["outcome"] for attempt in job.attempt_list()]
        assert outcomes == ["retrying", "retrying", "succeeded"]
        assert Attempt.objects.filter(job=job).first().error == "RuntimeError: not yet"
        wait_state(sleeping, "succeeded")
        for task, words in shop.diary().items():
            soon(lambda task=task, words=words: state(task) == words[-1], what=f"{task} {words}")


def test_a_queue_is_known_from_the_worker_that_serves_no_other_and_the_worker_counts_what_it_did(new_shop):
    shop = new_shop()
    shop.start("one", "-Q", "parcels")
    shop.start("two", "-Q", "letters,cards")
    with Watching({"shop": shop.broker}) as watching:
        rows = watching.observer.watched["shop"].watcher.workers.rows
        soon(lambda: len([row for row in rows.copy().values() if row.queues and row.events == "on"]) == 2, what="both")
        sent = [shop.send("add", n, queue="parcels") for n in range(3)]
        sent += [shop.send("fail", queue="parcels"), shop.send("again", 1, 0.2, queue="parcels")]
        unknown = shop.send("add", 1, queue="letters")
        for task in sent:
            assert wait_state(task, "failed" if task == sent[3] else "succeeded").queue == "shop:parcels"
        assert dict(knowledge.of_task(row(sent[0])))["Queue"].startswith("the only one that its worker served")
        assert wait_state(unknown, "succeeded").queue == "shop:"  # it may have come from either of two
        done = WatchedWorker.objects.filter(name="one@here").values("succeeded", "failed", "retried")
        soon(lambda: done.get() == {"succeeded": 4, "failed": 1, "retried": 1}, what="counts of the worker")
    with Watching({"shop": shop.broker}):  # the next observer goes on from there
        again = shop.send("add", 5, queue="parcels")
        wait_state(again, "succeeded")
        soon(lambda: done.get() == {"succeeded": 5, "failed": 1, "retried": 1}, what="counts over a restart")


def test_workers_are_heard_again_after_a_question_that_nobody_answered(new_shop):
    shop = new_shop()
    shop.start()
    remote = control.Remote(shop.broker, {}, read_only=False)
    try:
        for _ in range(3):
            assert remote.ask("ping", ["w1@here"]) == {"w1@here": {"ok": "pong"}}
            assert remote.ask("ping", ["nobody@here"]) == {}
        remote.close()
        assert remote.ask("ping", ["w1@here"]) == {"w1@here": {"ok": "pong"}}
    finally:
        remote.close()
    with broker.redis_client(shop.broker) as client:
        assert [key for key in client.keys("*reply*") if client.type(key) == b"list"] == []

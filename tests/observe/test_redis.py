"""A plain Celery application on Redis is watched without a line changed there."""

import pytest

from tasks.engine.models import Attempt, Ending
from tests.support.watched import Watching, soon, state, wait_state

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

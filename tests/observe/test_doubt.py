"""What nobody can vouch for: workers killed and frozen, an observer that was away, messages in queues."""

import os
import signal
import time

import pytest

from tasks.engine.models import Job
from tasks.observe import observer
from tasks.observe.models import App, Gap
from tests.observe.test_guard import watcher
from tests.observe.test_unseen import BEGAN, say
from tests.support.watched import Watching, row, soon, state, wait_state

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


def test_a_killed_worker_leaves_doubt_and_then_an_unknown_task(new_shop):
    shop = new_shop()
    shop.start()
    with Watching({"shop": shop.broker}):
        task = shop.send("sleep", 60)
        wait_state(task, "running")
        shop.kill("w1")
        killed = time.monotonic()
        doubted = soon(lambda: row(task).doubt_at and row(task), 12, "doubt")
        silence = doubted.version / 1e6 - doubted.doubt_at.timestamp()  # a version is the time at which it was made
        assert 6.0 <= silence < 7.0, "six seconds, and what a busy machine takes"
        job = wait_state(task, "unknown", seconds=14)
        assert time.monotonic() - killed < 6 + 2 + 10 + 2
        assert job.doubt_at is None and job.error


def test_doubt_does_not_wait_for_the_next_time_that_all_workers_are_looked_through():
    watching = watcher()
    say(watching, "task-started", 1, "t")
    for silence, doubted in ((5.8, None), (5.99, None), (6.01, BEGAN + 1)):
        watching.doubt(BEGAN + 1 + silence)
        assert watching.entries["t"].task.doubt == doubted, silence


def test_a_frozen_worker_that_wakes_up_has_its_task_again(new_shop):
    shop = new_shop()
    worker = shop.start()
    with Watching({"shop": shop.broker}):
        task = shop.send("sleep", 22)
        wait_state(task, "running")
        os.killpg(worker.pid, signal.SIGSTOP)
        wait_state(task, "unknown", seconds=25)
        os.killpg(worker.pid, signal.SIGCONT)
        wait_state(task, "succeeded", "running", seconds=20)
        wait_state(task, "succeeded", seconds=30)


def test_what_waits_in_a_queue_is_seen_with_its_real_arguments(new_shop):
    shop = new_shop(worker_send_task_events=True)  # else it would be done before anybody can switch events on
    waiting = shop.send("add", 1, kwargs={"b": 2, "api_key": "hunter2"})
    with Watching({"shop": shop.broker}):
        job = wait_state(waiting, "queued")
        assert job.params == {"args": [1], "kwargs": {"b": 2, "api_key": "•••"}}
        assert "hunter2" not in job.secrets and job.secrets
        assert (job.queue, job.basis, job.kind) == ("shop:celery", "queue", "shop.add")
        shop.start()
        assert wait_state(waiting, "succeeded").params["args"] == [1]


def test_an_ignored_task_is_unknown_and_not_running_for_ever(new_shop):
    shop = new_shop()
    shop.start()
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        task = shop.send("ignore")
        wait_state(task, "running", "unknown")
        wait_state(task, "unknown", seconds=25)


def test_while_no_observer_runs_nothing_is_wrong_afterwards_and_what_nobody_saw_is_counted(new_shop):
    shop = new_shop()
    shop.start(concurrency=4)
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        seen = [shop.send("add", 1, 2) for _ in range(20)]
        soon(lambda: all(state(task) == "succeeded" for task in seen), what="twenty successes")
        across = shop.send("sleep", 3)
        wait_state(across, "running")
        soon(lambda: Job.every.filter(app="shop").count() == 21)
        watching.freeze()
    App.objects.update(holder="")  # else the next one waits for the lease, which has a test of its own
    missed = [shop.send("add", 1, 2) for _ in range(15)]
    soon(lambda: set(missed) | {across} <= set(shop.diary()), 20, "the diary")
    soon(lambda: shop.diary()[across][-1] == "succeeded")
    with Watching({"shop": shop.broker}):
        wait_state(across, "unknown", seconds=20)
        soon(lambda: App.objects.get().unseen >= len(missed), 20, "15 unseen tasks")
        assert App.objects.get().unseen == len(missed)
        gap = Gap.objects.get()
        assert (gap.unseen, gap.why) == (15, "no observer ran")
        assert gap.begin < gap.until


def test_with_results_everything_is_known_again(new_shop, tmp_path):
    shop = new_shop(results=True, result_extended=True)
    shop.start()
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].controller.results_url, what="results are found")
        task = shop.send("hold", str(tmp_path / "end"))
        wait_state(task, "running")
        watching.freeze()
    App.objects.update(holder="")
    (tmp_path / "end").touch()  # while nobody watches
    soon(lambda: shop.diary()[task][-1] == "succeeded", 20)
    soon(shop.has_told_all, 20, "its worker has told nobody")
    with Watching({"shop": shop.broker}):
        job = wait_state(task, "succeeded")
        assert job.basis == "result"


@pytest.mark.parametrize("extended", [True, False])
def test_what_began_and_ended_while_nobody_watched_is_found_among_the_results(new_shop, extended):
    shop = new_shop(results=True, result_extended=extended)
    shop.start()
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].controller.results_url, what="results are found")
        seen = shop.send("add", 1, 2)
        wait_state(seen, "succeeded")
        watching.freeze()
    App.objects.update(holder="")
    missed = [shop.send("add", n, 2) for n in range(12)]
    failed = shop.send("fail")
    soon(lambda: {*missed, failed} <= set(shop.diary()), 20, "the diary")
    soon(shop.has_told_all, 20, "its worker has told nobody")
    with Watching({"shop": shop.broker}):
        for task in missed:
            job = wait_state(task, "succeeded")
            assert (job.basis, job.result) == ("result", missed.index(task) + 2)
            if extended:
                assert (job.kind, job.params) == ("shop.add", {"args": [missed.index(task), 2], "kwargs": {}})
        assert wait_state(failed, "failed").error == "ValueError: no stock"
        later = shop.send("add", 1, 2)
        wait_state(later, "succeeded")
        watched = App.objects.get().workers
        soon(lambda: watched.get().starts == watched.get().processed == 15, 20, "all of them counted")
        assert (App.objects.get().unseen, Gap.objects.get().unseen) == (0, 0)
        assert Job.every.filter(app="shop").count() == 15


def test_a_second_observer_takes_over_and_no_task_is_missed(new_shop):
    shop = new_shop()
    shop.start()
    with Watching({"shop": shop.broker}) as first:
        soon(lambda: first.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        second = observer.Observer()
        second.start()
        for _ in range(30):
            second.step(0.05)
        assert not second.watched["shop"].leads
        first.freeze()
        began = time.monotonic()
        tasks = [shop.send("add", 1, 2) for _ in range(10)]
        while not second.watched["shop"].leads:
            second.step(0.05)
            assert time.monotonic() - began < 10
        while any(state(task) != "succeeded" for task in tasks):
            second.step(0.05)
            assert time.monotonic() - began < 15
        second.stopping.set()
        second.run()
        assert Gap.objects.count() == 0

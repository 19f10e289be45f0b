"""A worker that was stopped properly is seen as one that was stopped, whatever its pool, and not as lost."""

import os
import signal

import pytest

from tasks.engine.models import Worker
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.mark.pure
@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_every_worker_that_was_stopped_says_so(start_worker, pool: str) -> None:
    workers = [start_worker(f"w{n}", concurrency=n % 3 + 1, pool=pool, wait=False) for n in range(5)]
    for worker in workers:
        worker.wait_ready()
    wait_until(lambda: Worker.objects.count() == 5, what="the rows of all workers")
    for worker in workers:
        os.kill(worker.pid, signal.SIGTERM)
    for worker in workers:
        assert worker.process.wait(20) == 0, worker.log()
    assert not Worker.objects.filter(stopped_at=None).exists()


def test_a_worker_that_was_killed_does_not_say_that_it_was_stopped(start_worker) -> None:
    worker = start_worker("w1")
    wait_until(Worker.objects.exists, what="the row of the worker")
    worker.kill()
    assert Worker.objects.get().stopped_at is None


def test_the_last_word_of_a_worker_is_not_said_for_the_one_that_took_its_name(start_worker) -> None:
    old = start_worker("w1", pool="solo")
    wait_until(Worker.objects.exists, what="the row of the worker")
    new = start_worker("w1", pool="solo")
    wait_until(lambda: Worker.objects.get().pid == new.pid, what="the row of the new worker")
    old.stop()
    wait_until(lambda: Worker.objects.get().pid == new.pid and Worker.objects.get().stopped_at is None, what="its row")

"""Workers with one name: one that is started again in a container has the process id of the one before it, too, and
two that run at once answer for each other."""

import time
from typing import Any

import pytest
from django.utils import timezone

from tasks.engine.models import Job
from tasks.observe import knowledge
from tasks.observe.events import Event
from tasks.observe.looks import Held, Look
from tasks.observe.models import App, WatchedWorker
from tasks.observe.watcher import Watcher
from tests.support.watched import row, state

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "w1@shop"


class Worker:
    """Says what a worker process says, by a clock of its own that begins at 1."""

    def __init__(self, watcher: Watcher, pid: int = 1) -> None:
        self.watcher, self.pid, self.clock, self.processed = watcher, pid, 0, 0

    def say(self, kind: str, task: str = "", **facts: Any) -> None:
        self.clock += 1
        now = time.time()
        self.watcher.take([Event(kind, HOST, self.pid, self.clock, now, task, facts)], now)

    def beat(self, kind: str = "worker-heartbeat", active: int = 0) -> "Worker":
        self.say(kind, processed=self.processed, active=active)
        return self

    def begin(self, task: str) -> None:
        self.processed += 1
        self.say("task-received", task, name="shop.add", retries=0)
        self.say("task-started", task)

    def run(self, *tasks: str) -> None:
        for task in tasks:
            self.begin(task)
            self.say("task-succeeded", task, result="1")


@pytest.fixture
def watcher() -> Watcher:
    found = Watcher(App.objects.create(name="shop", transport="redis"), lambda hosts: None)
    found.greeted = []
    found.greets = found.greeted.append
    return found


def look(watcher: Watcher, active: dict[str, Held], unacked: dict[str, Held], at: float) -> None:
    """What one worker answers, and Redis holds."""
    said = {"active": {HOST: active}, "reserved": {HOST: {}}, "scheduled": {HOST: {}}, "unacked": unacked}
    watcher.take_look(Look(at, at, frozenset({HOST}), True, complete=True, **said))


def start_again(watcher: Watcher, before: Worker, word: str) -> Worker:
    """In a container: the process id is the same, and it may be that nobody heard that it came up."""
    return Worker(watcher, before.pid).beat(word)


@pytest.mark.parametrize("word", ["worker-online", "worker-heartbeat"])
def test_a_worker_that_is_started_again_in_its_container_is_greeted_and_counts_from_the_beginning(watcher, word):
    first = Worker(watcher).beat("worker-online")
    first.run(*(f"a{n}" for n in range(30)))
    first.beat().beat()
    assert watcher.greeted == [HOST]
    second = start_again(watcher, first, word)
    assert watcher.greeted == [HOST, HOST], "its events are to be switched on again"
    second.run("b1")
    second.processed += 4  # that nobody saw
    second.run("b2")
    second.beat().beat()
    assert watcher.app.unseen == 4
    watcher.write()
    assert WatchedWorker.objects.get().unseen == 4


def test_a_task_that_is_given_to_the_worker_again_after_its_restart_shows_how_it_truly_ended(watcher):
    first = Worker(watcher).beat("worker-online")
    first.run(*(f"a{n}" for n in range(30)))
    first.begin("long")  # acknowledged late: its message comes again
    second = start_again(watcher, first, "worker-online")
    second.begin("long")
    watcher.write()
    assert state("long") == "running"
    second.say("task-succeeded", "long", result="1")
    second.beat().beat()
    watcher.write()
    assert (state("long"), row("long").attempt) == ("succeeded", 2)
    assert [each["outcome"] for each in row("long").attempt_list()] == ["lost", "succeeded"]
    assert watcher.app.unseen == 0


def test_what_ran_before_the_restart_is_not_shown_as_running_for_ever(watcher):
    first = Worker(watcher).beat("worker-online")
    first.begin("long")
    first.beat(active=1)
    start_again(watcher, first, "worker-online")
    now = time.time()
    for after in (1, 5):  # Redis holds its message still
        look(watcher, {}, {"long": Held("shop.add", again=now + 3600)}, now + after)
    watcher.write()
    assert state("long") == "unknown"
    assert "hands it out again" in row("long").headers["note"]


def test_a_restart_while_no_observer_ran_is_noticed(watcher):
    first = Worker(watcher).beat("worker-online")
    first.run(*(f"a{n}" for n in range(30)))
    first.beat().beat()
    watcher.write()
    time.sleep(0.01)
    after = Watcher(App.objects.get(), lambda hosts: None)
    after.was_watched = True
    after.reload()
    second = Worker(after)
    second.processed = 7  # before anybody listened
    second.run("b1")
    second.beat()
    second.run("b2")
    second.beat().beat()
    assert after.app.unseen == 7


def test_words_that_come_again_are_no_restart(watcher):
    """RabbitMQ gives the next connection what was not acknowledged."""
    worker = Worker(watcher).beat("worker-online")
    old = time.time()
    worker.run("a1", "a2", "a3")
    worker.beat().beat()
    for kind, clock, processed in (("worker-online", 1, 0), ("worker-heartbeat", 2, 1)):
        facts = {"processed": processed, "active": 0}
        watcher.take([Event(kind, HOST, 1, clock, old, "", facts)], time.time(), again=True)
    worker.run("a4")
    worker.beat().beat()
    assert (watcher.greeted, watcher.app.unseen) == ([HOST], 0)


def test_of_two_workers_with_one_name_no_task_is_given_up_because_the_other_one_answered(watcher):
    one, two = Worker(watcher, 11).beat("worker-online"), Worker(watcher, 12).beat("worker-online")
    one.begin("long")
    two.begin("other")
    for _ in range(2):
        one.beat(active=1)
        two.beat(active=1)
    greeted = len(watcher.greeted)
    one.beat(active=1)
    assert len(watcher.greeted) == greeted, "they do not come up again with each beat"
    now = time.time()
    for after in (1, 5):
        look(watcher, {"other": Held("shop.add", [], {}, started=now)}, {}, now + after)
    watcher.write()
    watcher.doubt(now)
    assert (state("long"), state("other")) == ("running", "running")
    assert not Job.every.filter(doubt_at__isnull=False).exists()
    workers = list(WatchedWorker.objects.filter(stopped_at=None))
    assert len(workers) == 2
    assert any(f"Several workers have the name {HOST}" in said for said in knowledge.coverage(watcher.app, workers))
    one.say("task-succeeded", "long", result="1")
    two.say("task-succeeded", "other", result="1")
    one.beat().beat()
    two.beat().beat()
    watcher.write()
    assert (state("long"), state("other"), watcher.app.unseen) == ("succeeded", "succeeded", 0)
    assert row("other").worker == row("long").worker == f"shop:{HOST}"


@pytest.fixture
def waits(watcher) -> Worker:
    """A worker that is there, beside a task of which only its message in the queue was seen."""
    worker = Worker(watcher).beat("worker-online")
    at = time.time()
    watcher.take_look(Look(at, at, frozenset({HOST}), True, queued={"waits": Held("shop.add")}, complete=True))
    watcher.write()
    assert state("waits") == "queued"
    return worker


def test_a_message_that_redis_holds_for_a_worker_that_does_not_have_it_is_not_said_to_wait(watcher, waits):
    """Its task may have ended, without its acknowledgement: Redis was restarted. It runs again after hours."""
    now = time.time()
    for after in (1, 2, 5):
        look(watcher, {}, {"waits": Held("shop.add", again=now + 3600)}, now + after)
        watcher.write()
        assert state("waits") == ("queued" if after < 5 else "unknown"), "two looks some seconds apart"
    assert "hands it out again" in row("waits").error
    waits.begin("waits")  # Redis did
    watcher.write()
    assert state("waits") == "running"


def test_a_message_that_redis_holds_for_a_worker_that_does_not_answer_waits(watcher, waits):
    now = time.time()
    for after in (1, 5, 9):
        held = {"waits": Held("shop.add", again=now + 3600)}
        watcher.take_look(Look(now + after, now + after, frozenset({HOST}), True, unacked=held, complete=True))
    watcher.write()
    assert state("waits") == "queued"


def test_a_message_that_has_just_been_handed_out_waits(watcher, waits):
    """A worker took it after it had been asked what it has. The next look finds it there."""
    now = time.time()
    look(watcher, {}, {"waits": Held("shop.add")}, now + 1)
    look(watcher, {"waits": Held("shop.add")}, {"waits": Held("shop.add")}, now + 5)
    watcher.write()
    assert state("waits") == "running"


@pytest.mark.parametrize(
    ("answers", "gap", "said"), [(True, False, "unknown"), (False, True, "unknown"), (False, False, "queued")]
)
def test_a_message_that_a_worker_received_waits_only_if_its_start_would_have_been_heard(watcher, answers, gap, said):
    worker = Worker(watcher).beat("worker-online")
    worker.say("task-received", "waits", name="shop.add", retries=0)
    now = time.time()
    if gap:
        watcher.open_gap(timezone.now(), timezone.now(), "the broker cut the connection")
    if not answers:
        worker.say("worker-offline")
    for after in (1, 5):
        held = {"unacked": {"waits": Held("shop.add", again=now + 3600)}}
        if answers:
            look(watcher, {}, held["unacked"], now + after)
        else:
            watcher.take_look(Look(now + after, now + after, frozenset({HOST}), True, complete=True, **held))
    watcher.write()
    assert state("waits") == said
    assert "hands it out again" in row("waits").headers["note"]


@pytest.mark.parametrize(
    ("pool", "silence", "said"),
    [("prefork:TaskPool", 20, "unknown"), ("solo:TaskPool", 20, "running"), ("", 20, "running"), ("", 70, "unknown")],
)
def test_the_silence_of_a_worker_means_nothing_while_its_pool_may_be_solo(watcher, pool, silence, said):
    """A worker with the pool solo may begin a long task before it has said what its pool is."""
    worker = Worker(watcher).beat("worker-online")
    worker.begin("long")
    watcher.workers.rows[HOST, worker.pid].pool = pool
    now = time.time() + silence
    for after in (0, 4):
        watcher.take_look(Look(now + after, now + after, frozenset({HOST}), True, complete=True))
    watcher.write()
    assert state("long") == said

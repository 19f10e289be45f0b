"""What breaks around an observer: brokers that restart and cut it off, other observers, its own end under load.

The judge is the file in which the tasks write what truly ran. A row may say ``unknown``, but nothing that is not so.
"""

import signal
import time
from collections.abc import Callable, Iterator

import pytest
from kombu import Connection

from tasks.engine.models import Job
from tasks.observe import streams
from tasks.observe.models import App, Gap
from tests.conftest import database_url_of_the_test
from tests.support.watched import (
    ObserverProcess,
    OwnRabbit,
    OwnRedis,
    Sender,
    Shop,
    Watching,
    attempts_seen,
    executions,
    never_seen,
    soon,
    state,
    wait_state,
    wrong,
)  # fmt: skip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
TRANSPORTS = ["redis", pytest.param("rabbitmq", marks=pytest.mark.pure)]  # each database is tried with one of them
SETTLED_S = 12  # ten, and what a busy machine takes to look


@pytest.fixture
def start_observer(servers, tmp_path, transactional_db) -> Iterator[Callable[..., ObserverProcess]]:
    started: list[ObserverProcess] = []

    def start(shop: Shop, **more: str) -> ObserverProcess:
        log, url = tmp_path / f"observer{len(started)}.log", database_url_of_the_test(servers)
        started.append(ObserverProcess(servers, log, url, SIGNALBOX_OBSERVE=f"shop={shop.broker}", **more))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def events_are_on(watching: Watching) -> None:
    soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", 30, "events on")


def stream(shop: Shop, watching: Watching) -> Sender:
    """Twenty tasks a second, of which some have ended already."""
    events_are_on(watching)
    sender = Sender(shop, 20)
    soon(lambda: Job.every.filter(app="shop", state="succeeded").count() > 40, 30, "a stream of tasks")
    return sender


def unseen() -> int:
    return App.objects.get().unseen


def settle(shop: Shop, back: float, held: Callable[[], set[str]] = set, waiting: Callable[[], int] = int) -> None:
    """Wait until nothing waits or runs, and until ten seconds after ``back`` no row is wrong."""
    written = [0, time.monotonic()]

    def is_quiet() -> bool:
        if waiting() or shop.diary_file.stat().st_size != written[0]:
            written[:] = shop.diary_file.stat().st_size, time.monotonic()
        return time.monotonic() - written[1] > 2

    soon(is_quiet, 60, "the tasks end")
    time.sleep(max(0.0, back + 10 - time.monotonic()))
    end = time.monotonic() + SETTLED_S
    while found := wrong(shop, held(), runs=False):
        assert time.monotonic() < end, found
        time.sleep(0.2)


def count_what_nobody_saw(shop: Shop) -> None:
    """What is counted as unseen began without a row, or its beginning is in no row."""
    vague = Job.every.filter(app="shop", started_at=None, state__in=("succeeded", "failed", "unknown")).count()
    unknown = Job.every.filter(app="shop", state="unknown").count()
    soon(lambda: unseen() >= len(never_seen(shop)), 15, f"{len(never_seen(shop))} counted")
    ran = sum(word != "started" for task in never_seen(shop) for word in shop.diary()[task])
    assert unseen() <= ran + vague + unknown


def _sent(shop: Shop) -> str | None:
    try:
        return shop.send("add", 1, 2)
    except Exception:
        return None


@pytest.mark.pure
def test_a_rabbitmq_that_restarts_under_load_leaves_no_wrong_row(servers, tmp_path, new_shop):
    rabbit = OwnRabbit(servers, tmp_path / "rabbit")
    shop = new_shop(broker=rabbit.url())
    shop.start(concurrency=4)
    with Watching({"shop": shop.broker}) as watching:
        sender = stream(shop, watching)
        rabbit.stop()
        assert rabbit.start()
        back = time.monotonic()
        after = soon(lambda: _sent(shop), 30, "a task that is sent afterwards")
        wait_state(after, "succeeded", seconds=60)
        sender.stop()
        settle(shop, back, waiting=lambda: waiting_in(rabbit))
        count_what_nobody_saw(shop)


def test_a_subscriber_that_redis_cuts_off_for_its_output_is_a_gap(servers, tmp_path, new_shop):
    broker = OwnRedis(servers, tmp_path / "redis")
    broker.client().config_set("client-output-buffer-limit", "pubsub 256kb 128kb 1")
    shop = new_shop(broker=broker.url())
    shop.start(concurrency=2)
    with Watching({"shop": shop.broker}) as watching:
        events_are_on(watching)
        wait_state(shop.send("add", 1, 2), "succeeded")
        with broker.client().pipeline(transaction=True) as pipe:  # all of it before anything is written to anybody
            for _ in range(40):
                pipe.publish("/0.celeryev/task.multi", b"x" * 200_000)
            pipe.execute()
        soon(lambda: Gap.objects.filter(why="the broker cut the connection").exists(), 15, "the gap")
        assert "output buffer limits" in (servers.folder / "redis-server.log").read_text()
        wait_state(shop.send("fail"), "failed")
        settle(shop, time.monotonic() - 10)
        count_what_nobody_saw(shop)


@pytest.mark.pure
def test_an_observer_that_was_away_longer_than_rabbitmq_keeps_events_has_a_gap(rabbit, new_shop, monkeypatch):
    monkeypatch.setattr(streams, "STORED_S", 3)
    shop = new_shop(broker=rabbit.url())
    shop.start(concurrency=2)
    with Watching({"brief": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["brief"].watcher.workers.events() == "on", 30, "events on")
        known = shop.send("add", 1, 2)
        soon(lambda: state(known, "brief") == "succeeded")
        name = watching.observer.watched["brief"].threads[0].queue.name
        assert is_declared(rabbit, name)
        time.sleep(2.5)  # a beat, so that what was seen so far is compared
        watching.freeze()
    App.objects.update(holder="")
    time.sleep(6)  # to ask for it would make it live longer
    assert not is_declared(rabbit, name), "it has expired"
    missed = [shop.send("add", 1, 2) for _ in range(15)]
    soon(lambda: set(missed) <= set(shop.diary()), 20, "the diary")
    with Watching({"brief": shop.broker}):
        gap = soon(lambda: Gap.objects.first(), 15, "the gap")
        assert gap.why == "the queue of events was not there any more"
        assert (gap.until - gap.begin).total_seconds() >= 3
        soon(lambda: unseen() >= 15, 20, "15 unseen tasks")
        assert (unseen(), Gap.objects.get().unseen) == (15, 15)
        later = shop.send("fail")
        soon(lambda: state(later, "brief") == "failed")
    with Watching({"brief": shop.broker}):
        assert Gap.objects.count() == 1, "it was not away for long this time"


def waiting_in(broker: OwnRabbit | OwnRedis) -> int:
    if isinstance(broker, OwnRedis):
        return broker.client().llen("celery")
    with Connection(broker.url()) as link:
        return link.channel().queue_declare(queue="celery", passive=True).message_count


def is_declared(rabbit: OwnRabbit, queue: str) -> bool:
    with Connection(rabbit.url()) as link:
        try:
            link.channel().queue_declare(queue=queue, passive=True)
        except link.channel_errors:
            return False
    return True


@pytest.mark.parametrize(
    ("transport", "word"),
    [("redis", signal.SIGSTOP), pytest.param("rabbitmq", signal.SIGKILL, marks=pytest.mark.pure)],
    ids=["redis-frozen", "rabbitmq-killed"],
)
def test_a_second_observer_takes_over_within_ten_seconds(request, new_shop, start_observer, transport, word):
    shop = new_shop(broker=request.getfixturevalue("rabbit").url() if transport == "rabbitmq" else "")
    shop.start(concurrency=2)
    first = start_observer(shop)
    soon(lambda: App.objects.filter(holder__gt="").exists(), 20, "the first leads")
    soon(lambda: App.objects.get().workers.filter(events="on").exists(), 30, "events on")
    second = start_observer(shop)
    wait_state(shop.send("add", 1, 2), "succeeded")
    leader = App.objects.get().holder
    first.tell(word)
    began = time.monotonic()
    tasks = [shop.send("add", 1, 2) for _ in range(10)]
    soon(lambda: App.objects.get().holder != leader, 12, "the second leads")
    taken = time.monotonic() - began
    soon(lambda: all(state(task) == "succeeded" for task in tasks), 15, "what ran meanwhile")
    assert taken < 10.5, "ten, and the pace of this test"
    if word == signal.SIGSTOP:  # it wakes up, finds the lease gone, and takes nothing from the other
        first.tell(signal.SIGCONT)
        soon(lambda: "Another observer watches" in first.log.read_text(), 15, "it gives way")
        wait_state(shop.send("fail"), "failed")
        assert second.process.poll() is None and first.process.poll() is None
    time.sleep(5)  # two beats: what is counted must stay nothing
    assert (unseen(), Gap.objects.count()) == (0, 0)
    assert wrong(shop) == {}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_observer_that_is_killed_for_half_a_minute_under_load(request, new_shop, start_observer, transport):
    broker = request.getfixturevalue("rabbit" if transport == "rabbitmq" else "foreign")
    shop = new_shop(broker=broker.url())
    shop.start(concurrency=6)
    first = start_observer(shop)
    soon(lambda: App.objects.filter(workers__events="on").exists(), 30, "events on")
    sender = Sender(shop, 40)
    soon(lambda: Job.every.filter(app="shop", state="succeeded").count() > 100, 30, "a stream of tasks")
    first.kill()
    time.sleep(30)
    start_observer(shop)
    back = time.monotonic()
    soon(lambda: App.objects.get().as_of > Gap.objects.first().until if Gap.objects.exists() else unseen() == 0, 20)
    time.sleep(3)
    sender.stop()
    settle(
        shop, back, waiting=lambda: waiting_in(broker) if transport == "rabbitmq" else broker.client().llen("celery")
    )
    time.sleep(5)  # two beats, after which everything is counted
    if transport == "rabbitmq":
        assert never_seen(shop) == set(), "none was lost"
        assert (unseen(), Gap.objects.count()) == (0, 0)
        lost = Job.every.filter(app="shop", state="unknown")
        assert [(job.task_id, job.headers, job.basis, job.started_at, shop.log("w1")) for job in lost] == []
    else:
        assert len(never_seen(shop)) > 200, "it was away"
        soon(
            lambda: executions(shop) == attempts_seen() + unseen(),
            15,
            "exactly as many as truly were, also of tasks that have a row",
        )


def test_a_redis_that_restarts_under_load_leaves_no_wrong_row(servers, tmp_path, new_shop):
    broker = OwnRedis(servers, tmp_path / "redis", "--appendonly", "yes")
    shop = new_shop(broker=broker.url())
    shop.start(concurrency=4)
    with Watching({"shop": shop.broker}) as watching:
        sender = stream(shop, watching)
        broker.kill()
        time.sleep(3)
        as_of = App.objects.get().as_of
        broker.start()
        back = time.monotonic()
        soon(lambda: Gap.objects.filter(why="the broker cut the connection").exists(), 20, "the gap")
        gap = Gap.objects.filter(why="the broker cut the connection").get()
        assert (gap.until - gap.begin).total_seconds() >= 2, "it began when the broker went"
        assert as_of <= gap.until, "nothing was said to be complete while nothing was heard"
        after = soon(lambda: _sent(shop), 30, "a task that is sent afterwards")
        sender.stop()
        soon(lambda: shop.workers["w1"].poll() is not None or state(after) == "succeeded", 40, "the worker")
        if (
            shop.workers["w1"].poll() is not None
        ):  # some versions of kombu end a worker whose Redis goes: its supervisor helps
            shop.start("w2", concurrency=6)
        # what the new worker runs before its events are switched on nobody sees: then nobody claims to know
        wait_state(after, "succeeded", "unknown", seconds=40)
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", 30, "events on")
        settle(shop, back, broker.held, lambda: waiting_in(broker))
        count_what_nobody_saw(shop)

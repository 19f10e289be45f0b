"""An application on RabbitMQ: events wait for the observer, messages are never touched."""

import signal
import time

import pytest
from kombu import Connection, Queue

from tasks.observe import broker
from tasks.observe.models import App, Gap, WatchedQueue
from tests.support.watched import Watching, row, soon, state, wait_state

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.pure]  # on any database


def test_events_wait_for_an_observer_that_was_away(new_shop, rabbit):
    shop = new_shop(broker=rabbit.url())
    shop.start(concurrency=4)
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", 30, "events on")
        seen = [shop.send("add", 1, 2), shop.send("fail"), shop.send("again", 1)]
        wait_state(seen[0], "succeeded")
        wait_state(seen[1], "failed")
        wait_state(seen[2], "succeeded")
        watching.freeze()
    App.objects.update(holder="")
    missed = [shop.send("add", 1, 2) for _ in range(100)]
    soon(lambda: set(missed) <= set(shop.diary()), 30, "the diary")
    with Watching({"shop": shop.broker}):
        soon(lambda: all(state(task) == "succeeded" for task in missed), 30, "all of them")
        time.sleep(5)  # two beats: what is counted must stay nothing
        assert App.objects.get().unseen == 0
        assert Gap.objects.count() == 0


def test_messages_of_a_quorum_queue_are_counted_and_not_touched(new_shop, rabbit, settings):
    shop = new_shop(broker=rabbit.url())
    arguments = {"x-queue-type": "quorum"}
    with Connection(rabbit.url()) as link, link.channel() as channel:
        Queue("orders", durable=True, queue_arguments=arguments, channel=channel).declare()
        producer = link.Producer()
        for number in range(5):
            producer.publish({"n": number}, exchange="", routing_key="orders")
    settings.SIGNALBOX_OBSERVE_OPTIONS = {"shop": {"queues": ["orders"]}}
    with Watching({"shop": shop.broker}) as watching:
        for _ in range(3):
            WatchedQueue.objects.update(depth=None)
            watching.observer.watched["shop"].controller.ask(None)
            soon(lambda: WatchedQueue.objects.filter(name="orders", depth=5).exists(), what="the depth")
    with Connection(rabbit.url()) as link, link.channel() as channel:
        message = Queue("orders", channel=channel).bind(channel).get(no_ack=False)
        assert message.headers.get("x-delivery-count", 0) == 0
        assert not message.delivery_info.get("redelivered")
        message.ack()


def test_a_broker_that_stops_answering_holds_nobody(rabbit):
    """As RabbitMQ does to who publishes while its disk is full: the connection stays, and no answer comes."""
    with broker.connection(rabbit.url(), {}) as link:
        link.connect()
        rabbit.freeze()
        try:
            with pytest.raises(TimeoutError):
                link.channel()
        finally:
            rabbit.freeze(signal.SIGCONT)


def test_what_a_worker_runs_is_known_with_its_real_arguments(new_shop, rabbit):
    shop = new_shop(broker=rabbit.url())
    shop.start()
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", 30, "events on")
        task = shop.send("sleep", 45)
        job = wait_state(task, "running")
        soon(lambda: row(task).headers.get("arguments") == "inspect", 40, "real arguments")
        assert row(task).params == {"args": [45], "kwargs": {}}
        assert row(task).queue == "shop:celery"
        assert job.app == "shop"

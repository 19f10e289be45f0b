"""What people ask for in a watched application, and what is true afterwards."""

import pytest

from tasks.access.actions import NotAllowed
from tasks.access.models import Entry
from tasks.access.permissions import Actor
from tasks.engine.models import Job
from tasks.observe import asking, watched
from tasks.observe.models import App, Order
from tests.support.people import person
from tests.support.watched import Watching, row, soon, wait_state

pytestmark = pytest.mark.django_db(transaction=True)


def answered(made: dict) -> Order:
    return soon(lambda: Order.objects.filter(uid=made["id"]).exclude(stage="asked").first(), 10, "an answer")


@pytest.mark.process
def test_orders_are_carried_out_and_say_what_each_worker_answered(new_shop):
    shop = new_shop()
    ada, vera, bob = Actor.of(person("ada")), Actor.of(person("vera")), Actor.of(person("bob"))
    shop.start(concurrency=1)
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")

        made = asking.place_order("shop", "rate_limit", actor=ada, kind="shop.add", rate="10/m")
        assert made.keys() == {"id", "state", "answers"} and made["state"] == "asked"
        order = answered(made)
        assert order.stage == "answered" and "ok" in order.answers[0]["said"]
        order = answered(asking.place_order("shop", "rate_limit", actor=ada, kind="nothing.there", rate="1/s"))
        assert order.stage == "refused" and "unknown task" in order.answers[0]["said"]
        for actor in (vera, bob):
            with pytest.raises(NotAllowed):
                asking.place_order("shop", "shutdown", actor=actor, worker="w1@here")

        running, reserved = shop.send("sleep", 30), shop.send("add", 1, 2)
        wait_state(running, "running")
        job = wait_state(reserved, "queued")
        with pytest.raises(NotAllowed):
            asking.cancel(vera, job)
        assert answered(asking.cancel(bob, job, "not needed")).stage == "answered"
        assert row(reserved).cancel_requested_at
        with pytest.raises(asking.CannotBe):
            asking.cancel(bob, row(running))
        answered(asking.cancel(bob, row(running), terminate=True))
        job = wait_state(running, "cancelled")
        assert job.error == "It was terminated."
        soon(lambda: Order.objects.get(job=job.uid).stage == "confirmed", what="confirmed")
        wait_state(reserved, "cancelled")
        assert reserved not in shop.diary()
        assert Entry.objects.filter(action="watched.terminate", who="bob").count() == 1

        made = asking.place_order("shop", "add_consumer", actor=ada, queue="later")
        assert answered(made).stage == "answered"
        answered(asking.place_order("shop", "cancel_consumer", actor=ada, queue="celery"))
        for _ in range(3):
            shop.send("add", 1, 2)
        order = answered(asking.place_order("shop", "purge", actor=ada, queue="celery"))
        assert (order.stage, order.said) == ("confirmed", "3 messages were deleted.")

        answered(asking.place_order("shop", "shutdown", actor=ada, worker="w1@here"))
        assert shop.workers["w1"].wait(15) == 0
        soon(lambda: watched.app("shop")["workers"] == 0)


@pytest.mark.process
def test_a_task_is_run_again_with_its_real_arguments_only(new_shop):
    shop = new_shop(worker_send_task_events=True)
    bob = Actor.of(person("bob"))
    waiting = shop.send("add", 40, kwargs={"b": 2, "api_key": "hunter2"})
    with Watching({"shop": shop.broker}) as watching:
        wait_state(waiting, "queued")
        shop.start()
        job = wait_state(waiting, "succeeded")
        made, _ = asking.run_again(bob, job)
        assert "hunter2" not in str(made)
        again = wait_state(made["values"]["task"], "succeeded")
        assert (again.result, again.kind) == ("42", "shop.add")
        assert again.copy_of == job.uid

        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        quick = shop.send("add", 1, 2)
        job = wait_state(quick, "succeeded")
        Job.every.filter(pk=job.pk).update(headers={"arguments": "text"}, params={"args": "(1, 2)"})
        with pytest.raises(asking.CannotBe):
            asking.run_again(bob, row(quick))


@pytest.mark.parametrize(
    ("order", "given", "wrong"),
    [
        ("dance", {}, "order"),
        ("rate_limit", {"kind": "a"}, "rate"),
        ("rate_limit", {"kind": "a", "rate": "fast"}, "rate"),
        ("pool_grow", {"n": 0}, "n"),
        ("pool_grow", {"n": True}, "n"),
        ("purge", {}, "queue"),
        ("purge", {"queue": "a\n"}, "queue"),
        ("shutdown", {}, "worker"),
        ("time_limit", {"kind": "a"}, "hard"),
        ("purge", {"queue": "a", "all": 1}, "all"),
    ],
)
def test_a_wrong_order_is_refused_at_its_field(order, given, wrong):
    App.objects.create(name="shop", transport="redis")
    with pytest.raises(asking.Invalid) as refused:
        asking.place_order("shop", order, **given)
    assert refused.value.errors.keys() == {wrong}
    assert Order.objects.count() == 0


def test_with_a_watch_that_is_read_only_nothing_is_asked(settings):
    settings.SIGNALBOX_OBSERVE_READONLY = True
    App.objects.create(name="shop", transport="redis")
    with pytest.raises(asking.CannotBe):
        asking.place_order("shop", "purge", queue="celery")


@pytest.mark.process
def test_a_cancel_is_sent_to_workers_that_come_up_later(new_shop):
    shop = new_shop(worker_send_task_events=True)
    bob = Actor.of(person("bob"))
    first = shop.start("w1")
    with Watching({"shop": shop.broker}):
        task = shop.send("add", 1, 2, countdown=300)
        job = wait_state(task, "scheduled")
        assert answered(asking.cancel(bob, job)).stage == "answered"
        first.terminate()
        assert first.wait(15) == 0
        shop.start("w2")
        asked = shop.app.control.inspect(["w2@here"], timeout=1)
        soon(lambda: task in ((asked.revoked() or {}).get("w2@here") or ()), 30, "w2 knows of it")

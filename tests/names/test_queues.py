"""Queues as Celery knows them: what the call says, then the kind, then ``task_routes``, then the default queue."""

import pytest
from celery import chain, group
from kombu import Queue

from tasks.engine import lifecycle, routing
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tests.support.runs import perform
from tests.tasks import add, in_a_coroutine

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conf(monkeypatch):
    """Settings of our app for one test."""

    def set_(**values):
        for name, value in values.items():
            monkeypatch.setitem(app.conf.changes, name, value)

    return set_


def where(result) -> str:
    return Job.objects.get(uid=result.id).queue


@pytest.mark.parametrize("queue", ["fast", Queue("fast"), "signalbox.fast"])
def test_a_queue_is_named_at_the_call(queue):
    assert where(add.apply_async((1,), queue=queue)) == "fast"
    assert where(add.s(1).set(queue=queue).delay()) == "fast"
    assert where(in_a_coroutine.apply_async(queue=queue)) == "fast"


def test_each_step_of_a_chain_and_member_of_a_group_has_its_own():
    first = chain(add.s(1, 1).set(queue="a"), add.s(1).set(queue="b"), add.s(1)).apply_async()
    while first.parent:
        first = first.parent
    assert where(first) == "a"
    perform(Job.objects.get())
    second = Job.objects.get(state="queued")
    assert second.queue == "b"
    perform(second)
    assert Job.objects.get(state="queued").queue == "default"
    group(add.s(1, 1), add.s(2, 2)).apply_async(queue="c")
    assert Job.objects.filter(queue="c").count() == 2


@pytest.mark.parametrize(
    "routes",
    [
        {"tests.tasks.add": {"queue": "routed"}},
        {"tests.tasks.add": "routed"},
        {"tests.tasks.*": {"queue": "routed", "priority": 8}},
        ([("tests.tasks.add", {"queue": "routed"}), ("*", {"queue": "others"})],),
        (lambda name, args, kwargs, options, task=None, **more: {"queue": "routed"} if kwargs.get("x") == 1 else None),
        (lambda name, args, kwargs, options, task=None, **more: "routed" if task.name.endswith(".add") else None,),
        "tests.names.test_queues.by_name",
    ],
)
def test_routes_say_the_queue_of_a_kind_that_names_none(conf, routes):
    conf(task_routes=routes)
    assert where(add.delay(1)) == "routed"
    assert lifecycle.submit("add", {"x": 1})[0].queue == "routed"
    assert where(add.apply_async((1,), queue="mine")) == "mine"
    assert where(in_a_coroutine.delay()) == "io", "its own counts before routes"


def by_name(name, args, kwargs, options, task=None, **more):
    return {"queue": "routed"} if name == "tests.tasks.add" else None


def test_a_route_says_how_urgent_too(conf):
    conf(task_routes={"tests.tasks.*": {"priority": 8}})
    job = Job.objects.get(uid=add.delay(1).id)
    assert (job.queue, job.priority) == ("default", 8)
    assert Job.objects.get(uid=add.apply_async((1,), priority=2).id).priority == 2


def test_the_default_queue_and_priority_are_settings(conf):
    conf(task_default_queue="signalbox.work", task_default_priority=7)
    job = Job.objects.get(uid=add.delay(1).id)
    assert (job.queue, job.priority) == ("work", 7)


def test_queues_that_routes_name_are_served(conf, settings):
    conf(task_routes={"a.*": "one", "b.c": {"queue": "two"}})
    settings.CELERY_TASK_QUEUES = (Queue("three"),)
    assert routing.named_queues() == {"one", "two", "three", "default"}
    settings.CELERY_TASK_QUEUES = {"four": {"exchange": "four"}}
    assert "four" in routing.named_queues()


@pytest.mark.parametrize("queue", ["x" * 101, " a", "a\nb"])
def test_a_queue_that_no_row_can_hold_is_refused(queue):
    with pytest.raises(ValueError, match="add: a queue has a name of 1 to 100 printable characters"):
        add.apply_async((1,), queue=queue)
    assert not Job.objects.exists()


def test_an_exchange_is_refused_with_what_to_give():
    with pytest.raises(
        TypeError, match="'routing_key' cannot be honoured for a job: a job waits in a queue: give queue="
    ):
        add.apply_async((1,), routing_key="fast")

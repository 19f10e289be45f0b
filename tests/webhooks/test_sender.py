"""The sender in a real worker: soon, signed, once; and a server that hangs holds up nobody else."""

import threading
import time
from itertools import pairwise

import pytest

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.webhooks import sender
from tasks.webhooks.models import Delivery
from tests.support.processes import wait_until
from tests.support.receivers import endpoint, receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


def waited(delivery: Delivery) -> float:
    """Seconds from the commit of a move until its first try began."""
    return (delivery.attempts.first().at - delivery.created_at).total_seconds()


def test_every_state_of_a_job_arrives_once_and_signed(start_worker):
    with receiver() as site:
        endpoint(site.url)
        start_worker("w1")
        job, _ = lifecycle.submit("noop", {})
        received = site.wait(3)
        wait_until(lambda: Delivery.objects.filter(status="delivered").count() == 3, what="three deliveries")
    reported = {each.verified()["type"]: each.payload["data"] for each in received}
    assert sorted(reported) == ["job.queued", "job.running", "job.succeeded"]
    assert reported["job.succeeded"] == Job.objects.get(pk=job.pk).summary()
    assert len({each.id for each in received}) == 3
    assert len(site.received) == 3


def test_a_failed_try_is_made_again_under_the_same_id(start_worker):
    with receiver(lambda number: 500 if number == 0 else 204) as site:
        endpoint(site.url, states=["succeeded"])
        start_worker("w1")
        lifecycle.submit("noop", {})
        first, second = site.wait(2, 20)
    assert first.id == second.id
    assert first.body == second.body
    assert 5 <= (second.at - first.at).total_seconds() <= 8


def test_one_endpoint_that_hangs_holds_up_no_other(start_worker, record_property):
    """A second at most; or, where the machine is slower than that, no more than without the one that hangs."""
    with receiver(hold=30) as hung, receiver() as one, receiver() as two, receiver() as three:
        for site in (one, two, three):
            endpoint(site.url, states=["succeeded"])
        start_worker("w1")
        alone = p95_of(told_of(50))
        endpoint(hung.url, states=["succeeded"])
        beside = p95_of(told_of(50, besides=hung.url))
        record_property("p95_s", beside)
        print(f"first try to the others: p95 {beside:.3f} s beside one that hangs, {alone:.3f} s without it")
        assert beside <= max(1, 2 * alone)
        assert 1 <= len(hung.received) <= sender.LANE


def told_of(jobs: int, besides: str = "") -> list[float]:
    """How long the first tries waited that so many jobs led to, to three endpoints."""
    last = Delivery.objects.order_by("-id").values_list("id", flat=True).first() or 0
    for _ in range(jobs):
        lifecycle.submit("noop", {})
    others = Delivery.objects.filter(id__gt=last).exclude(endpoint__url=besides)
    wait_until(lambda: others.filter(status="delivered").count() == 3 * jobs, 60, "the deliveries to the others")
    return [waited(delivery) for delivery in others]


def p95_of(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]


def test_a_sender_that_is_killed_in_the_middle_loses_nothing(start_worker):
    with receiver(hold=60) as hung:
        endpoint(hung.url, states=["queued"])
        worker = start_worker("w1")
        lifecycle.submit("noop", {})
        (first,) = hung.wait(1)
        worker.kill()
    row = Delivery.objects.get()
    assert row.status == "sending"
    with receiver() as site:
        row.endpoint.url = site.url
        row.endpoint.save()
        Delivery.objects.update(next_try_at=row.created_at)  # as if its lease were over
        start_worker("w2")
        (second,) = site.wait(1)
        wait_until(lambda: Delivery.objects.get().status == "delivered")
    assert second.id == first.id
    assert Delivery.objects.get().tries == 2


def test_two_workers_share_the_work_and_send_each_once(start_worker):
    with receiver() as site:
        endpoint(site.url, states=["queued"])
        for _ in range(100):
            lifecycle.submit("noop", {})
        start_worker("w1", wait=False)
        start_worker("w2")
        wait_until(lambda: Delivery.objects.filter(status="delivered").count() == 100, 40, "100 deliveries")
    assert len(site.received) == len({each.id for each in site.received}) == 100


def test_a_stopping_worker_finishes_what_is_under_way(start_worker):
    with receiver(hold=1) as site:
        endpoint(site.url, states=["queued"])
        worker = start_worker("w1")
        lifecycle.submit("noop", {})
        site.wait(1)
        assert worker.stop() == 0
    assert Delivery.objects.get().status == "delivered"


def test_a_process_that_ends_does_not_wait_for_a_sender_that_sends_nothing(monkeypatch):
    """As one does that has run its share of jobs: its worker goes on, and its place is empty until it has gone."""
    monkeypatch.setattr(sender, "_sender", None)
    sender.keep_sending(lambda: False)
    sender.finish(10.0)
    assert not sender._sender.is_alive()
    sender.keep_sending(lambda: False)
    assert not sender._sender.is_alive(), "the pulse starts no other one"


def test_a_sender_that_rests_ends_soon_after_its_worker_stops():
    over = threading.Event()
    resting = sender.Sender(over.is_set)
    resting.period = lambda: 60.0
    resting.start()
    over.set()
    resting.join(10)
    assert not resting.is_alive()


def test_a_sender_that_has_nothing_to_send_rests_until_it_is_told_to_look(monkeypatch):
    """It looks four times a second before, and for ten seconds after what it has sent."""
    monkeypatch.setattr(sender, "RESTS_AFTER_S", 1.0)
    monkeypatch.setattr(sender, "REST_S", 1.5)
    looks: list[float] = []
    monkeypatch.setattr(sender, "_turn", lambda *_: looks.append(time.monotonic()) or [])
    over = threading.Event()
    resting = sender.Sender(over.is_set)
    resting.start()
    wait_until(lambda: len(looks) >= 8, 60, what="looks")
    resting.look()
    wait_until(lambda: len(looks) >= 9, 30, what="a look when it is told to")
    over.set()
    resting.join(10)
    *early, one, two, told = [later - earlier for earlier, later in pairwise(looks[:9])]
    assert sender.PERIOD_S <= min(early) < sender.REST_S
    assert min(one, two) >= sender.REST_S > told

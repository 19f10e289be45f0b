"""Nobody's callbacks hold up anybody else's messages, and what was answered has arrived."""

import socket
from collections import Counter
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from tasks.engine import lifecycle
from tasks.webhooks import deliveries, outbox, sender
from tasks.webhooks.models import Delivery
from tests.support.people import person
from tests.support.processes import wait_until
from tests.support.receivers import endpoint, receiver

HUNG = 600


def waiting(lane: str, count: int, since: float = 0) -> None:
    hook = outbox.callbacks_of(person("alice").pk)
    at = datetime.now(UTC) - timedelta(seconds=1 + since)
    Delivery.objects.bulk_create(
        Delivery(endpoint=hook, lane=lane, url="http://x/", event="e", body="{}", next_try_at=at, created_at=at)
        for _ in range(count)
    )


def sending(busy: dict[str, int] | None = None) -> Counter[str]:
    one = sender.Sender(Event().is_set)
    return Counter(row.lane for row in deliveries.take(busy or {}, one.room))


@pytest.mark.django_db
def test_all_lanes_of_one_person_together_have_a_few_places():
    for n in range(100):
        waiting(f"user:1 to host{n}", 3, since=9)
    waiting("user:2 to host1", 3)
    waiting("0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a", 3)
    taken = sending()
    assert sum(tries for lane, tries in taken.items() if lane.startswith("user:1 ")) == sender.OWNER
    assert taken["user:2 to host1"] == 3 and taken["0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a"] == 3


@pytest.mark.django_db
def test_callbacks_of_many_people_leave_places_for_webhooks():
    for n in range(10):
        for host in range(10):
            waiting(f"user:{n} to host{host}", 8, since=9)
    for n in range(20):
        waiting(f"0199c1f2-7d3a-7e61-8b5c-{n:012}", 16)
    taken = sending()
    calling = sum(tries for lane, tries in taken.items() if lane.startswith("user:"))
    assert calling == sender.CALLBACKS
    assert taken.total() == sender.MOST, "no more are taken than can be sent at once"
    assert sending(dict(taken)) == Counter()


@pytest.mark.django_db
def test_the_lane_that_has_waited_longest_comes_first():
    for n in range(40):
        waiting(f"user:1 to host{n}", 1, since=n)
    assert set(sending()) == {f"user:1 to host{n}" for n in range(40 - sender.OWNER, 40)}


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_hundreds_of_callbacks_to_hosts_that_hang_hold_up_no_webhook_and_no_other_callback(start_worker):
    """Each to a host of its own: loopback has many."""
    with socket.create_server(("", 0), backlog=128) as hung, receiver() as site, receiver() as friend:
        port = hung.getsockname()[1]  # nobody accepts
        endpoint(site.url, states=["succeeded"], kinds=["countdown"])
        hook = outbox.callbacks_of(person("alice").pk)
        now = datetime.now(UTC)
        rows = []
        for n in range(HUNG):
            url = f"http://127.0.{n // 250}.{n % 250 + 1}:{port}"
            lane = outbox.lane_of(url, hook)
            rows.append(
                Delivery(endpoint=hook, lane=lane, url=url, event="e", body="{}", next_try_at=now, created_at=now)
            )
        Delivery.objects.bulk_create(rows)
        start_worker("w1")
        wait_until(lambda: Delivery.objects.filter(status="sending").count() >= sender.OWNER, what="those that hang")
        for _ in range(10):
            lifecycle.submit("countdown", {"seconds": 0, "steps": 1}, owner=person("bob"), callback_url=friend.url)
        site.wait(10, 30), friend.wait(10, 30)
        others = Delivery.objects.exclude(endpoint=hook)
        wait_until(lambda: others.filter(status="delivered").count() == 20, what="what was answered")
    waits = [(row.attempts.first().at - row.created_at).total_seconds() for row in others]
    print(f"beside {HUNG} that hang the others waited {max(waits):.2f} s at most")
    assert max(waits) < 3
    assert Delivery.objects.filter(endpoint=hook, status="sending").count() <= sender.OWNER


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_what_was_answered_with_a_faulty_body_has_arrived(start_worker):
    with receiver(lambda number: (200, {"Content-Encoding": "gzip", "Content-Length": "900"})) as site:
        endpoint(site.url, states=["succeeded"])
        start_worker("w1")
        lifecycle.submit("noop", {})
        wait_until(lambda: Delivery.objects.filter(status="delivered").count() == 1, what="the delivery")
    assert len(site.received) == 1
    assert Delivery.objects.get().tries == 1

"""The deliveries of a move are written with it, and each try ends as its answer says."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.fetch.fetcher import Fetcher
from tasks.fetch.retry_after import retry_after
from tasks.webhooks import deliveries, outbox, sender
from tasks.webhooks.deliveries import Answer
from tasks.webhooks.models import Delivery, Endpoint
from tests.support.people import person
from tests.support.receivers import SECRET, endpoint, receiver

pytestmark = pytest.mark.django_db(transaction=True)
Status = Delivery.Status


def reported() -> list[tuple[str, str]]:
    """(whose address, event) of every delivery, oldest first."""
    rows = Delivery.objects.order_by("id").select_related("endpoint")
    return [(row.target.rsplit("/", 1)[-1], row.event) for row in rows]


def run(kind: str = "noop", **options) -> None:
    """One job through submit, claim and succeed."""
    job, _ = lifecycle.submit(kind, {}, **options)
    assert lifecycle.succeed(lifecycle.claim(job.uid, "w", 1), None)


async def sent(delivery: Delivery) -> Answer:
    async with Fetcher(total=2) as fetcher:
        return await sender.attempt(fetcher, delivery)


def one_taken() -> Delivery:
    (row,) = deliveries.take({}, lambda busy, lane: 10)
    return row


# --- what is written -------------------------------------------------------------------------------------------


def test_every_move_is_sent_to_an_endpoint_without_filters():
    endpoint("http://x.test/all")
    run()
    job, _ = lifecycle.submit("noop", {}, due_at=datetime.now(UTC) + timedelta(hours=1))
    lifecycle.cancel(job.uid)
    lifecycle.retry(job.uid)
    held = lifecycle.claim(job.uid, "w", 1)
    lifecycle.retry_later(held, 0, Failure.said("No."))
    lifecycle.wake()
    lifecycle.fail(lifecycle.claim(job.uid, "w", 1), Failure.said("No."))
    states = [event.removeprefix("job.") for _, event in reported()]
    assert states[:3] == ["queued", "running", "succeeded"]
    assert states[3:] == ["scheduled", "cancelled", "queued", "running", "retrying", "queued", "running", "failed"]


def test_filters_by_state_kind_and_queue():
    endpoint("http://x.test/ends", states=["succeeded", "failed"])
    endpoint("http://x.test/kind", kinds=["countdown"])
    endpoint("http://x.test/queue", queues=["nowhere"], states=["succeeded"])
    endpoint("http://x.test/off", enabled=False)
    run()
    assert reported() == [("ends", "job.succeeded")]
    run("countdown")
    assert [who for who, _ in reported()[1:]] == ["kind", "kind", "ends", "kind"]


def test_a_callback_address_gets_the_end_alone():
    run(callback_url="http://x.test/back", owner=person("alice"))
    assert reported() == [("back", "job.succeeded")]
    assert Delivery.objects.get().endpoint.owner == person("alice")
    run(callback_url="http://x.test/back")
    assert Endpoint.objects.filter(callbacks_of="nobody").count() == 1


def test_the_payload_is_the_summary_of_that_moment():
    endpoint("http://x.test/all", states=["running"])
    run(owner=person("alice"))
    body = json.loads(Delivery.objects.get().body)
    assert (body["type"], body["data"]["state"], body["data"]["version"]) == ("job.running", "running", 2)
    assert body["data"]["owner"] == "alice"
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None


def test_a_move_that_is_undone_owes_nothing():
    endpoint("http://x.test/all")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        lifecycle.submit("noop", {})
        raise ZeroDivisionError
    assert reported() == []


def test_without_subscribers_claim_and_succeed_are_one_statement_each():
    job, _ = lifecycle.submit("noop", {})
    endpoint("http://x.test/failures", states=["failed"])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        held = lifecycle.claim(job.uid, "w", 1)
        assert lifecycle.succeed(held, None)
    assert [query["sql"].split()[0] for query in queries] == ["UPDATE", "UPDATE"]


# --- one try ---------------------------------------------------------------------------------------------------


async def test_a_try_is_signed_by_the_rules_and_carries_its_id():
    with receiver(200) as site:
        row = Delivery(endpoint=Endpoint(url=site.url, secret=outbox.seal_secret(SECRET)), body='{"type":"job.failed"}')
        answer = await sent(row)
        assert await sent(row)
    assert (answer.code, answer.arrived, answer.reply) == (200, True, "thank you")
    first, second = site.received
    assert first.verified() == {"type": "job.failed"}
    assert first.id == second.id == str(row.uid)
    assert first.headers["content-type"] == "application/json"


async def test_two_secrets_sign_while_a_rotation_is_young():
    new = outbox.make_secret()
    now = datetime.now(UTC)
    point = Endpoint(
        secret=outbox.seal_secret(new), old_secret=outbox.seal_secret(SECRET), old_until=now + timedelta(hours=1)
    )
    with receiver() as site:
        point.url = site.url
        await sent(Delivery(endpoint=point, body="{}"))
        point.old_until = now
        await sent(Delivery(endpoint=point, body="{}"))
    both, one = site.received
    assert both.verified(new) == both.verified(SECRET) == one.verified(new) == {}
    assert len(one.headers["webhook-signature"].split()) == 1


async def test_a_redirect_is_not_followed_and_an_inner_address_not_reached(settings):
    with receiver() as inner, receiver(lambda _: (302, {"Location": inner.url})) as site:
        answer = await sent(Delivery(endpoint=Endpoint(url=site.url, secret=outbox.seal_secret(SECRET)), body="{}"))
        assert (answer.code, answer.arrived) == (302, False)
        settings.SIGNALBOX_ALLOW_NETWORKS = []
        answer = await sent(Delivery(endpoint=Endpoint(url=inner.url, secret=outbox.seal_secret(SECRET)), body="{}"))
    assert answer.code is None
    assert "loopback" in answer.error
    assert inner.received == []


# --- how a try ends --------------------------------------------------------------------------------------------


def answer(code: int | None = None, **more) -> Answer:
    return Answer(datetime.now(UTC), 0.1, code, **more)


def due_in(row: Delivery) -> float:
    row.refresh_from_db()
    return (row.next_try_at - datetime.now(UTC)).total_seconds()


def test_tries_follow_the_calendar_and_then_end():
    endpoint("http://x.test/all", states=["succeeded"])
    run()
    pauses = []
    for number in range(1, 9):
        Delivery.objects.update(next_try_at=datetime.now(UTC))
        row = one_taken()
        assert row.tries == number
        deliveries.record_all([(row, answer(500))])
        row.refresh_from_db()
        pauses.append(row.next_try_at and round(due_in(row)))
    assert row.status == Status.FAILED
    asked = [5, 300, 1800, 7200, 18_000, 36_000, 50_400]
    assert pauses[-1] is None
    assert all(pause <= got <= pause * 1.2 + 1 for pause, got in zip(asked, pauses[:-1], strict=True))
    assert [each.code for each in row.attempts.all()] == [500] * 8


def test_retry_after_is_kept_within_a_day():
    endpoint("http://x.test/all", states=["succeeded"])
    run()
    deliveries.record_all([(row := one_taken(), answer(503, retry_after=120))])
    assert 118 < due_in(row) <= 120
    Delivery.objects.update(next_try_at=datetime.now(UTC))
    deliveries.record_all([(row := one_taken(), answer(429, retry_after=10**9))])
    assert 86_398 < due_in(row) <= 86_400
    assert retry_after({"Retry-After": "17"}, 60) == 17
    assert retry_after({"Retry-After": "17"}, 10) == 10
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 60) == 0
    assert retry_after({"Retry-After": "soon"}, 60) is None


def test_gone_switches_the_endpoint_off_and_drops_what_waits():
    point = endpoint("http://x.test/all", states=["succeeded"])
    run()
    run()
    (row,) = deliveries.take({}, lambda busy, lane: 1)
    deliveries.record_all([(row, answer(410))])
    point.refresh_from_db()
    assert (point.enabled, point.off_because) == (False, "It answered 410 Gone.")
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["dropped", "failed"]
    run()
    assert Delivery.objects.count() == 2


def test_a_day_of_failures_switches_off_and_one_success_begins_anew():
    point = endpoint("http://x.test/all", states=["succeeded"])
    long_ago = datetime.now(UTC) - timedelta(hours=25)
    for code, failing in ((500, True), (204, False), (500, True)):
        run()
        deliveries.record_all([(one_taken(), answer(code))])
        point.refresh_from_db()
        assert (point.failing_since is not None, point.enabled) == (failing, True)
    Endpoint.objects.update(failing_since=long_ago)
    run()
    deliveries.record_all([(one_taken(), answer(error="No answer."))])
    point.refresh_from_db()
    assert (point.enabled, point.off_because) == (False, "No delivery succeeded for 24 h.")


def test_a_callback_that_is_gone_switches_nothing_off():
    run(callback_url="http://x.test/back")
    deliveries.record_all([(row := one_taken(), answer(410))])
    row.refresh_from_db()
    assert (row.status, Endpoint.objects.get().enabled) == (Status.FAILED, True)


def test_two_senders_never_take_one_try():
    endpoint("http://x.test/all", states=["succeeded"])
    run()
    first = one_taken()
    assert deliveries.take({}, lambda busy, lane: 10) == []
    Delivery.objects.update(next_try_at=datetime.now(UTC))  # the first sender died, or so it seems
    second = one_taken()
    assert (first.tries, second.tries, first.uid == second.uid) == (1, 2, True)
    deliveries.record_all([(second, answer(204))])
    deliveries.record_all([(first, answer(500))])  # it comes late: its attempt is shown, and nothing else is moved
    first.refresh_from_db()
    assert first.status == Status.DELIVERED
    assert [each.code for each in first.attempts.all()] == [500, 204]


def test_room_in_one_lane_is_not_taken_from_another():
    for name in ("a", "b"):
        endpoint(f"http://{name}.test/", states=["succeeded"])
    for _ in range(5):
        run()
    taken = deliveries.take({}, lambda busy, lane: 2)
    assert len({row.lane for row in taken}) == 2
    assert len(taken) == 4


def test_replay_sends_the_same_message_again():
    point = endpoint("http://x.test/all", states=["succeeded"])
    run()
    row = one_taken()
    with pytest.raises(deliveries.NotSent):
        deliveries.replay(row.uid)
    deliveries.record_all([(row, answer(204))])
    again = deliveries.replay(row.uid)
    assert (again.status, again.tries, again.uid) == (Status.PENDING, 1, row.uid)
    deliveries.record_all([(one_taken(), answer(500))])
    assert due_in(again) <= 6.1  # the calendar begins again
    deliveries.switch(point, False)
    with pytest.raises(deliveries.NotSent):
        deliveries.replay(row.uid)


def test_rotation_gives_a_new_secret_and_keeps_the_old_for_a_day():
    point = endpoint("http://x.test/all")
    fresh = deliveries.rotate(point)
    now = datetime.now(UTC)
    assert point.secrets(now) == [fresh, SECRET]
    assert point.secrets(now + timedelta(hours=25)) == [fresh]
    assert SECRET not in repr(Endpoint.objects.values())
    assert fresh not in repr(Endpoint.objects.values())

"""Alerts: opened once, sent once, closed when it is over."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tasks.alerts import evaluate
from tasks.alerts.models import Alert, Rule
from tasks.engine import lifecycle, notify
from tasks.engine.errors import Failure
from tasks.engine.models import Ending, Job, Worker
from tasks.kinds.upkeep import prune
from tasks.schedules import actions
from tasks.schedules.models import Run, Schedule
from tasks.webhooks import deliveries
from tasks.webhooks.deliveries import Answer
from tasks.webhooks.models import Delivery, Endpoint
from tests.support.processes import wait_until
from tests.support.receivers import endpoint

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_rules(transactional_db) -> None:
    """The two rules of a fresh installation would raise alerts of their own."""
    Rule.objects.all().delete()


def failed(kind: str = "noop") -> None:
    job, _ = lifecycle.submit(kind, {})
    lifecycle.fail(lifecycle.claim(job.uid, "w", 1), Failure.said("No."))


def looked() -> list[str]:
    evaluate.evaluate()
    return [alert.sentence for alert in evaluate.open_alerts()]


def reported() -> list[tuple[str, str]]:
    bodies = [json.loads(row.body) for row in Delivery.objects.filter(event__startswith="alert.").order_by("id")]
    return [(body["type"], body["data"]["subject"]) for body in bodies]


def test_a_kind_that_fails_too_often_opens_one_alert_and_ends_it():
    endpoint("http://x.test/", states=["running"], alerts=True)
    Rule.objects.create(watch="failures", times=2, minutes=10)
    failed(), failed(), failed("countdown")
    assert looked() == []
    failed()
    assert looked() == looked() == ["noop: 3 failures in 10 min (limit 2)"]
    Ending.objects.update(at=datetime.now(UTC) - timedelta(minutes=11))
    assert looked() == []
    closed = Alert.objects.get()
    assert closed.closed_at is not None
    assert reported() == [("alert.opened", "noop"), ("alert.closed", "noop")]
    failed(), failed(), failed()
    assert len(looked()) == 1
    assert Alert.objects.count() == 2


def test_a_rule_for_one_kind_knows_no_other():
    Rule.objects.create(watch="failures", kind="countdown", times=0, minutes=10)
    failed()
    assert looked() == []
    failed("countdown")
    assert len(looked()) == 1


def test_a_queue_that_waits_too_long():
    rule = Rule.objects.create(watch="waiting", seconds=30)
    job, _ = lifecycle.submit("noop", {})
    assert looked() == []
    Job.objects.update(created_at=datetime.now(UTC) - timedelta(seconds=31))
    notify.pause("default")
    (sentence,) = looked()
    assert sentence.startswith("Queue default: oldest job waiting")
    assert sentence.endswith("(paused)")
    notify.resume("default")
    lifecycle.claim(job.uid, "w", 1)
    assert looked() == []
    assert Alert.objects.get().rule == rule


def test_a_job_that_was_scheduled_yesterday_has_not_waited_since_yesterday():
    Rule.objects.create(watch="waiting", seconds=30)
    lifecycle.submit("noop", {}, due_at=datetime.now(UTC) + timedelta(hours=1))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    Job.objects.update(created_at=yesterday, due_at=datetime.now(UTC))
    lifecycle.wake()
    assert looked() == []


def test_a_job_that_is_tried_again_waits_since_then_however_often_its_message_is_sent():
    Rule.objects.create(watch="waiting", seconds=900)
    failed()
    Job.objects.update(created_at=datetime.now(UTC) - timedelta(days=1))
    lifecycle.retry(Job.objects.get().uid)
    assert looked() == []
    Job.objects.update(queued_at=datetime.now(UTC) - timedelta(minutes=20), rung_at=datetime.now(UTC))
    assert len(looked()) == 1


def test_a_worker_that_is_lost_and_comes_back():
    Rule.objects.create(watch="worker")
    now = datetime.now(UTC)
    row = Worker.objects.create(name="w1@h", host="h", pid=1, seen_at=now, started_at=now)
    Worker.objects.create(
        name="w2@h", host="h", pid=2, seen_at=now - timedelta(hours=1), started_at=now, stopped_at=now
    )
    assert looked() == []
    Worker.objects.filter(pk=row.pk).update(seen_at=now - timedelta(minutes=1))
    (sentence,) = looked()
    assert sentence.startswith("Worker w1@h lost: no heartbeat since")
    Worker.objects.filter(pk=row.pk).update(seen_at=datetime.now(UTC))
    assert looked() == []


def test_a_schedule_that_is_late_missed_or_refused():
    Rule.objects.create(watch="schedule", seconds=60)
    schedule = actions.create("often", "noop", {}, actions.every(60))
    assert looked() == []
    before = datetime.now(UTC) - timedelta(minutes=10)
    Schedule.objects.update(created_at=before, done_until=before)
    assert looked()[0].startswith("Schedule often is late: due at")
    actions.keep(schedule, datetime.now(UTC))
    assert looked() == []
    Run.objects.create(schedule=schedule, slot="2026-01-01T00:00:00Z", outcome="missed", at=before, count=3)
    assert looked() == ["Schedule often missed 3 runs"]
    Run.objects.create(
        schedule=schedule, slot="2026-01-01T00:01:00Z", outcome="refused", at=before, note="It did not fit."
    )
    evaluate.evaluate()
    Run.objects.create(schedule=schedule, slot="2026-01-01T00:02:00Z", outcome="started", at=before)
    assert looked() == []
    assert Alert.objects.count() == 2


def test_a_webhook_that_was_switched_off_is_a_notice_until_it_is_on_again():
    point = endpoint("http://x.test/", name="ci", states=["succeeded"])
    job, _ = lifecycle.submit("noop", {})
    lifecycle.succeed(lifecycle.claim(job.uid, "w", 1), None)
    (row,) = deliveries.take({}, lambda busy, lane: 1)
    deliveries.record_all([(row, Answer(datetime.now(UTC), 0.1, 410))])
    assert looked() == looked() == ["Webhook ci was switched off: It answered 410 Gone."]
    deliveries.switch(Endpoint.objects.get(pk=point.pk), True)
    assert looked() == []


def test_dismissed_is_not_shown_and_opens_again_only_after_it_was_over():
    Rule.objects.create(watch="failures", times=0, minutes=10)
    failed()
    evaluate.evaluate()
    evaluate.dismiss(Alert.objects.get(), "bob")
    assert looked() == []
    assert (Alert.objects.get().closed_at, Alert.objects.get().dismissed_by) == (None, "bob")
    Ending.objects.update(at=datetime.now(UTC) - timedelta(minutes=11))
    evaluate.evaluate()
    failed()
    assert len(looked()) == 1


def test_a_rule_that_is_switched_off_or_deleted_ends_its_alerts():
    for end in (lambda: Rule.objects.update(enabled=False), lambda: Rule.objects.all().delete()):
        Rule.objects.create(watch="failures", times=0, minutes=10)
        failed()
        assert len(looked()) == 1
        end()
        assert looked() == []


def test_many_who_look_at_once_open_and_close_one_alert():
    endpoint("http://x.test/", states=["running"], alerts=True)
    Rule.objects.create(watch="failures", times=0, minutes=10)
    failed()

    def at_once() -> None:
        gate = threading.Barrier(4)

        def look() -> None:
            gate.wait()
            evaluate.evaluate()
            connection.close()

        threads = [threading.Thread(target=look) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    at_once()
    Ending.objects.update(at=datetime.now(UTC) - timedelta(minutes=11))
    at_once()
    assert reported() == [("alert.opened", "noop"), ("alert.closed", "noop")]


@pytest.mark.process
def test_a_real_worker_that_is_killed_is_seen_by_another(start_worker):
    Rule.objects.create(watch="worker")
    start_worker("w1", SIGNALBOX_LEASE_S="4")
    lost = start_worker("w2", SIGNALBOX_LEASE_S="4")
    wait_until(lambda: Worker.objects.count() == 2, what="both workers' rows")
    lost.kill()
    seen = Alert.objects.filter(closed_at=None, subject__startswith="w2@")
    wait_until(seen.exists, 20, "the alert")
    start_worker("w2", SIGNALBOX_LEASE_S="4")
    wait_until(lambda: not seen.exists(), 20, "its end")


def test_alerts_and_deliveries_that_are_long_over_are_pruned():
    evaluate.open_alert("old", "worker", "w1", "It is over.")
    evaluate.open_alert("open", "worker", "w2", "It is not over.")
    endpoint("http://x.test/", states=["queued"])
    lifecycle.submit("noop", {})
    lifecycle.submit("noop", {})
    long_ago = datetime.now(UTC) - timedelta(days=31)
    Alert.objects.filter(key="old").update(opened_at=long_ago, closed_at=long_ago)
    Delivery.objects.filter(pk=Delivery.objects.first().pk).update(status="delivered", finished_at=long_ago)
    done = prune()
    assert (done["alerts"], done["deliveries"]) == (1, 1)
    assert (Alert.objects.get().key, Delivery.objects.get().status) == ("open", "pending")

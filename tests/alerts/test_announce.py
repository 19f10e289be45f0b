"""Alerts that reach people: what is said, when it is held back, and once however many look."""

import threading
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tasks.alerts import evaluate
from tasks.alerts.models import Alert, Pending, Rule
from tasks.channels.models import Notification
from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Ending, Job
from tests.support.calls import call
from tests.support.processes import wait_until
from tests.support.receivers import channel, mail_server, receiver
from tests.support.runs import perform

pytestmark = pytest.mark.django_db(transaction=True)
SLACK = "slack://T0AAAAAA1/B0AAAAAA2/abcdefghijklmnopqrstuvwx"


@pytest.fixture(autouse=True)
def no_rules(transactional_db, settings) -> None:
    Rule.objects.all().delete()
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]
    settings.SIGNALBOX_URL = "https://jobs.example/box"


def rule(**more: Any) -> Rule:
    made = Rule.objects.create(**{"watch": "failures", "times": 2, "minutes": 10} | more)
    made.channels.add(channel(SLACK))
    return made


def failed(count: int, kind: str = "noop") -> None:
    for _ in range(count):
        job, _ = lifecycle.submit(kind, {})
        lifecycle.fail(lifecycle.claim(job.uid, "w", 1), Failure.said("No."))


def said() -> list[str]:
    evaluate.evaluate()
    return [row.title for row in Notification.objects.order_by("id")]


def over() -> None:
    Ending.objects.update(at=timezone.now() - timedelta(minutes=11))


def later(seconds: float) -> None:
    """As if so much time had passed since everything that the alerts remember."""
    back = timedelta(seconds=seconds)
    for model, columns in (
        (Alert, ("said_at", "well_since", "snoozed_until")),
        (Rule, ("said_at",)),
        (Pending, ("since",)),
    ):
        for row in model.objects.all():
            moved = {name: getattr(row, name) - back for name in columns if getattr(row, name)}
            model.objects.filter(pk=row.pk).update(**moved)


def test_a_message_has_the_figure_of_now_what_changed_and_links():
    rule(repeat_s=600)
    failed(3)
    assert said() == said() == ["noop: 3 failures in 10 min (limit 2)"]
    first = Notification.objects.get()
    assert first.about == "failure" and "Open since" in first.body
    assert "https://jobs.example/box/jobs/?q=state%3Afailed+kind%3Anoop" in first.body
    assert "All alerts: https://jobs.example/box/alerts/" in first.body
    failed(4)
    assert len(said()) == 1
    assert Alert.objects.get().sentence == "noop: 7 failures in 10 min (limit 2)"
    later(601)
    assert said()[-1] == "noop: 7 failures in 10 min (limit 2)"
    assert "was 3 in the last message" in Notification.objects.latest("id").body
    over()
    assert said()[-1] == "Over: noop: 7 failures in 10 min (limit 2)"
    last = Notification.objects.latest("id")
    assert last.about == "success" and "at most 7" in last.body
    assert len(said()) == 3


def test_an_alert_opens_only_after_its_cause_has_lasted():
    rule(for_s=120)
    failed(3)
    assert said() == [] and evaluate.open_alerts() == []
    over()
    assert said() == [] and not Pending.objects.exists()
    failed(3)
    assert said() == []
    later(121)
    assert len(said()) == 1 and not Pending.objects.exists()


def test_a_rule_that_flaps_says_one_alert():
    rule(close_after_s=120)
    for _ in range(5):
        failed(3)
        assert len(said()) == 1
        over()
        assert len(said()) == 1
    later(121)
    assert [title[:4] for title in said()] == ["noop", "Over"]
    assert Alert.objects.count() == 1


def test_it_closes_at_a_figure_of_its_own():
    rule(times=4, close_at=1)
    failed(5)
    assert len(said()) == 1
    Ending.objects.filter(pk__in=Ending.objects.values("pk")[:3]).update(at=timezone.now() - timedelta(minutes=11))
    assert len(said()) == 1 and evaluate.open_alerts()[0].figure == 2
    over()
    assert len(said()) == 2


def test_quiet_hours_hold_messages_back_and_what_is_open_then_is_said():
    made = rule(quiet_from=time(0, 0), quiet_until=time(23, 59, 59))
    failed(3)
    assert said() == [] and len(evaluate.open_alerts()) == 1
    Rule.objects.filter(pk=made.pk).update(quiet_from=None)
    assert len(said()) == 1


@pytest.mark.parametrize(
    ("begins", "ends", "zone", "quiet"),
    [
        ("22:00", "07:00", "UTC", [True, True, False]),
        ("22:00", "07:00", "Asia/Tokyo", [False, False, True]),
        ("07:00", "22:00", "UTC", [False, False, True]),
        ("22:00", "07:00", "No/Where", [True, True, False]),
    ],
)
def test_quiet_hours_are_wall_clock_times(begins, ends, zone, quiet):
    one = Rule(quiet_from=time.fromisoformat(begins), quiet_until=time.fromisoformat(ends), quiet_zone=zone)
    moments = [datetime(2026, 1, 15, hour, 30, tzinfo=UTC) for hour in (23, 6, 13)]
    assert [one.is_quiet(moment) for moment in moments] == quiet


def test_a_muted_rule_and_a_snoozed_alert_say_nothing():
    made = rule(muted=True)
    failed(3)
    assert said() == []
    Rule.objects.filter(pk=made.pk).update(muted=False)
    bob, alert = call("bob"), Alert.objects.get()
    snoozed = bob.post(f"alerts/{alert.uid}/snooze/", {"minutes": 30})
    assert snoozed.json()["snoozed_until"] and said() == [] and evaluate.open_alerts() == []
    over()
    assert said() == []
    failed(3)
    assert said() == [] and Alert.objects.filter(closed_at=None, snoozed_until__isnull=False).exists()
    later(31 * 60)
    assert len(said()) == 1
    assert call("vera").post(f"alerts/{alert.uid}/snooze/", {}).status_code == 403


def test_what_opens_within_the_time_of_a_group_comes_in_one_message():
    rule(group_s=300)
    failed(3)
    assert len(said()) == 1
    failed(3, "countdown")
    failed(3, "prune")
    assert len(said()) == 1
    later(301)
    assert said()[1].startswith("2 open: ")
    assert "prune: 3 failures" in Notification.objects.latest("id").body


def test_many_who_look_at_once_send_one_message():
    rule()
    failed(3)
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
    assert len(said()) == 1 and Job.objects.filter(kind="send_notification").count() == 1


def test_failures_of_sending_make_no_more_of_it():
    rule(times=0)
    failed(1)
    assert len(said()) == 1
    Ending.objects.update(kind="send_notification")
    assert said()[-1].startswith("Over") and len(evaluate.open_alerts()) == 0


@pytest.mark.long
def test_a_message_is_sent_to_each_channel_of_its_rule():
    made = rule()
    with receiver() as site, mail_server() as (box, port):
        made.channels.set(
            [
                channel(site.url.replace("http://", "json://")),
                channel(f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=box@shop.example&to=ops@shop.example"),
            ]
        )
        failed(3)
        said()
        for job in Job.objects.filter(kind="send_notification"):
            assert perform(job).state == "succeeded"
        assert site.received[0].payload["title"] == box.letters[0]["Subject"] == "noop: 3 failures in 10 min (limit 2)"


def test_without_an_address_of_ours_there_are_no_links(settings):
    settings.SIGNALBOX_URL = ""
    rule()
    failed(3)
    said()
    assert "http" not in Notification.objects.get().body


def test_rules_name_channels_by_id_in_the_api_and_by_boxes_in_the_form():
    line = channel(SLACK, "night shift")
    bob = call("bob")
    asked = {"watch": "failures", "channels": [str(line.uid)], "for_s": 60, "repeat_s": 3600, "group_s": 300}
    asked |= {"close_at": 1, "close_after_s": 60, "quiet_from": "22:00", "quiet_until": "07:00", "muted": True}
    made = bob.post("alerts/rules/", asked | {"quiet_zone": "Europe/Berlin"})
    assert made.status_code == 201, made.text
    assert {name: made.json()[name] for name in asked} == asked
    path = f"alerts/rules/{made.json()['id']}/"
    assert bob.send("PATCH", path, {"channels": []}).json()["channels"] == []
    for wrong in ({"channels": [str(Rule.objects.get().uid)]}, {"quiet_zone": "No/Where"}, {"quiet_from": 22}):
        assert set(bob.send("PATCH", path, wrong).json()["errors"]) == set(wrong)
    page = bob.client.get(f"/alerts/rules/{made.json()['id']}/").text
    assert "night shift" in page and "T0AAAAAA1" not in page
    typed = {"watch": "failures", "times": "3", "minutes": "5", "seconds": "60", "channels": str(line.uid)}
    bob.client.post(f"/alerts/rules/{made.json()['id']}/", typed | {"quiet_from": "21:00", "quiet_until": "06:00"})
    changed = Rule.objects.get()
    assert list(changed.channels.all()) == [line] and (changed.for_s, changed.quiet_zone) == (0, "UTC")
    assert bob.client.post(f"/alerts/rules/{changed.uid}/mute/", {"on": "yes"}).status_code == 302
    assert Rule.objects.get().muted
    bob.client.post(f"/alerts/rules/{changed.uid}/", typed | {"channels": [], "quiet_zone": "x"})
    assert list(changed.channels.all()) == [line]


def test_the_page_has_one_line_for_all_alerts():
    for number in range(3):
        evaluate.open_alert(f"key{number}", "worker", f"w{number}", f"Worker w{number} is lost")
    page = call("vera").client.get("/jobs/").text
    assert page.count("data-alert-bar") == 1 and "3 alerts</b>" in page


@pytest.mark.process
def test_a_real_worker_finds_it_and_sends_it(start_worker):
    with mail_server() as (box, port):
        made = rule()
        made.channels.set([channel(f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=a@shop.example&to=b@shop.example")])
        failed(3)
        start_worker("w1", SIGNALBOX_ALLOW_NETWORKS="127.0.0.1/32", SIGNALBOX_URL="https://jobs.example")
        wait_until(lambda: box.letters, 30, "the letter")
    assert box.letters[0]["Subject"] == "noop: 3 failures in 10 min (limit 2)"

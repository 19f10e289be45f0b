"""The pages of schedules: forms made from signatures, the next five times, runs, and who may what."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks.engine.models import Job
from tasks.kinds.checks.models import Service
from tasks.schedules import actions
from tasks.schedules.models import Beat, Run, Schedule
from tests.support.people import person

pytestmark = pytest.mark.django_db
WHEN = {
    "name": "nightly", "when": "crontab", "crontab": "0 4 * * *", "timezone": "Europe/Berlin", "unit": "minute",
    "overlap": "skip", "missed": "once",
}  # fmt: skip


def browser(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def made(kind: str = "noop", **params) -> Schedule:
    return actions.create("often", kind, params, actions.every(60), person("ada"))


def test_a_schedule_is_made_by_a_form_of_its_kind():
    ada = browser("ada")
    assert "countdown" in ada.get("/schedules/new/").text
    answer = ada.post("/schedules/new/countdown/", WHEN | {"p-seconds": "3", "p-steps": "2"}, follow=True)
    schedule = Schedule.objects.get()
    assert (schedule.params["seconds"], schedule.missed, schedule.owner) == (3, "once", person("ada"))
    assert "At 04:00 (Europe/Berlin)." in answer.text
    assert answer.text.count("<li><time") == 5


def test_a_link_from_what_a_kind_works_on_brings_first_values():
    ada = browser("ada")
    form = ada.get("/schedules/new/check_health/?url=https%3A%2F%2Fshop.example%2F%3Fa%26b&name=the+shop&number=7").text
    assert 'value="https://shop.example/?a&amp;b"' in form and 'value="the shop"' in form and 'value="7"' not in form
    service = Service.objects.create(url="https://shop.example/?a&b")
    assert "?url=https%3A%2F%2Fshop.example%2F%3Fa%26b&amp;name=shop.example" in ada.get(f"/checks/{service.uid}/").text
    assert "Schedule…" not in browser("bob").get(f"/checks/{service.uid}/").text


def test_wrong_input_comes_back_as_it_was_typed():
    answer = browser("ada").post("/schedules/new/countdown/", WHEN | {"crontab": "0 99 * * *", "p-seconds": "soon"})
    assert answer.status_code == 422
    assert "The hour &#x27;99&#x27; is wrong: 99 is out of range." in answer.text
    assert "Give a whole number." in answer.text
    assert 'value="0 99 * * *"' in answer.text
    assert not Schedule.objects.exists()


def test_when_would_it_run_saves_nothing():
    answer = browser("ada").post(
        "/schedules/new/noop/", WHEN | {"when": "every", "number": "90", "unit": "second", "look": "yes"}
    )
    assert "Every 90 seconds. Next runs:" in answer.text
    assert answer.text.count("<li><time") == 5
    assert not Schedule.objects.exists()


def test_a_change_keeps_secrets_and_times_that_nobody_touched():
    schedule = made("unlocks", key="open sesame", number=1)
    ada, path = browser("ada"), f"/schedules/{schedule.uid}/change/"
    page = ada.get(path).text
    assert "sesame" not in page
    assert 'value="1" id="id_number"' in page or 'name="number" value="1"' in page
    said = WHEN | {"name": "renamed", "when": "every", "number": "1", "unit": "minute", "p-number": "5", "p-key": ""}
    assert ada.post(path, said).status_code == 302
    fresh = actions.fresh(schedule)
    assert actions.opened(fresh) == {"key": "open sesame", "number": 5}
    assert (fresh.periodic.name, fresh.done_until) == ("renamed", schedule.done_until)
    ada.post(path, said | {"unit": "hour"})
    assert actions.fresh(schedule).done_until > schedule.done_until


def test_runs_late_and_missed_are_shown():
    schedule = made()
    bob = browser("bob")
    assert "No scheduler (celery beat)" in bob.get("/schedules/").text
    Beat.objects.create(name="b", started_at=timezone.now(), seen_at=timezone.now())
    assert "No scheduler (celery beat)" not in bob.get("/schedules/").text
    at = timezone.now()
    Run.objects.create(schedule=schedule, slot="2026-01-01T00:00:00Z", outcome="missed", at=at, count=3)
    Run.objects.create(
        schedule=schedule, slot="2026-01-01T00:03:00Z", outcome="refused", at=at, note="It did <not> fit."
    )
    before = schedule.created_at - timedelta(hours=1)
    Schedule.objects.update(created_at=before, done_until=before)
    page = bob.get(f"/schedules/{schedule.uid}/").text
    for words in ("3 runs, from", "Missed", "It did &lt;not&gt; fit.", "is late by"):
        assert words in page, words


def test_run_now_pause_and_delete():
    schedule = made()
    path, bob, ada = f"/schedules/{schedule.uid}/", browser("bob"), browser("ada")
    answer = bob.post(f"{path}run/")
    assert answer["Location"] == f"/jobs/{Job.objects.get().uid}/"
    assert bob.post(f"{path}pause/", {"paused": "yes"}).status_code == 403
    assert "This schedule is paused." in ada.post(f"{path}pause/", {"paused": "yes"}, follow=True).text
    assert "Its jobs are kept." in ada.get(f"{path}delete/").text
    assert "was deleted." in ada.post(f"{path}delete/", follow=True).text
    assert (Schedule.objects.count(), Job.objects.count()) == (0, 1)


def test_a_kind_that_is_gone_is_said():
    schedule = made()
    schedule.periodic.task = "gone"
    schedule.periodic.save()
    assert "There is no kind of job named" in browser("bob").post(f"/schedules/{schedule.uid}/run/", follow=True).text
    assert browser("ada").get(f"/schedules/{schedule.uid}/change/").status_code == 404

"""A schedule that can never run, or cannot be read, is named on its page and by the API; all others go on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from project import beat
from tasks.alerts import evaluate
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.schedules import actions
from tasks.schedules.models import Run, Schedule
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


def by_hand(name: str, row: dict[str, str], sql: str = "", **task: str) -> Schedule:
    """As Django's admin makes it; ``sql``: a column of the crontab, and what is then written there."""
    cron = CrontabSchedule(**{"minute": "0", "hour": "4", "timezone": "UTC"} | row)
    cron.full_clean()
    cron.save()
    [made] = PeriodicTask.objects.bulk_create([PeriodicTask(name=name, crontab=cron, **{"task": "noop"} | task)])
    if sql:
        with connection.cursor() as cursor:
            column, _, value = sql.partition("=")
            cursor.execute(
                f"UPDATE django_celery_beat_crontabschedule SET {column} = %s WHERE id = %s", [value, cron.pk]
            )
    actions.adopt()
    return Schedule.objects.filter(periodic=made.pk).defer("uid").get()


def often() -> dict[str, Any]:
    return actions.every(30, datetime.now(UTC) - timedelta(hours=1))


@pytest.fixture
def good() -> Schedule:
    schedule = actions.create("good", "noop", {}, often(), owner=person("alice"))
    Schedule.objects.filter(pk=schedule.pk).update(done_until=datetime.now(UTC) - timedelta(seconds=70))
    return actions.fresh(schedule)


def page(address: str) -> str:
    client = Client()
    client.force_login(person("ada"))
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def ticked() -> None:
    timekeeper = beat.Timekeeper(app=app, lazy=True)
    timekeeper.tick()


def test_7_is_sunday(good):
    sundays = by_hand("sundays", {"day_of_week": "7"})
    assert sundays.trouble == ""
    assert {slot.weekday() for slot in sundays.next(3)} == {6}
    assert "at 04:00, only on Sunday" in page("/schedules/")
    [shown] = [row for row in call("vera").get("schedules/").json()["results"] if row["name"] == "sundays"]
    assert (shown["trouble"], len(shown["next"])) == (None, 5)


TROUBLES = [
    ({"day_of_month": "31", "month_of_year": "2"}, "", {}, "Its crontab matches no date, so it never runs."),
    ({}, "hour=25", {}, "The hour &#x27;25&#x27; is wrong: 25 is out of range."),
    ({}, "", {"kwargs": "[broken"}, "Its parameters cannot be read"),
    ({}, "", {"kwargs": "[1]"}, "Its parameters cannot be read: they are no JSON object"),
]


@pytest.mark.long
@pytest.mark.parametrize(("row", "sql", "task", "said"), TROUBLES)
def test_one_that_can_never_run_is_shown_with_its_reason_and_the_others_run(good, row, sql, task, said):
    bad = by_hand("bad", row, sql, **task)
    ticked()
    assert Job.objects.get().schedule == good.uid
    evaluate.evaluate()
    assert said in page("/schedules/")
    assert said in page(f"/schedules/{bad.uid}/")
    shown = {each["name"]: each["trouble"] for each in call("vera").get("schedules/").json()["results"]}
    assert shown["good"] is None and shown["bad"].startswith(said.replace("&#x27;", "'"))


def test_one_that_django_cannot_read_is_named(good):
    bad = by_hand("bad", {}, "timezone=Mars/Base")
    ticked()
    assert Job.objects.get().schedule == good.uid
    evaluate.evaluate()
    assert "cannot be read" in page("/schedules/") and "Mars/Base" in page("/schedules/")
    answer = call("vera").get("schedules/").json()
    assert [each["name"] for each in answer["results"]] == ["good"]
    assert "Mars/Base" in answer["unreadable"][0]
    answer = call("vera").get(f"schedules/{bad.uid}/")
    assert answer.status_code == 404 and "Mars/Base" in answer.json()["detail"]


def test_a_slot_whose_job_the_database_refuses_is_a_run_that_says_so(good):
    bad = actions.create("bad", "noop", {}, often())
    Schedule.objects.filter(pk=bad.pk).update(priority=77, done_until=datetime.now(UTC) - timedelta(seconds=70))
    ticked()
    assert Job.objects.get().schedule == good.uid
    assert Run.objects.filter(schedule=bad).first().outcome == "refused"


def test_a_schedule_of_a_switched_off_person_goes_on_and_says_so(good):
    assert "can no longer log in" not in page("/schedules/")
    alice = person("alice")
    alice.is_active = False
    alice.save()
    ticked()
    assert Job.objects.get().owner == alice
    for address in ("/schedules/", f"/schedules/{good.uid}/"):
        assert "Its owner, alice, can no longer log in" in page(address)

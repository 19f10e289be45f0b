"""Entries of beat_schedule and rows made in the admin: what they ask for is honoured, or is one sentence."""

import logging
from datetime import timedelta

import pytest
from celery import shared_task
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, IntervalSchedule, PeriodicTask

from project import beat, checks
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.schedules import actions, entries
from tests.support.calls import call


@shared_task(name="names_plain")
def plain(): ...


pytestmark = pytest.mark.django_db(transaction=True)
DOTTED = "tests.tasks.add"


@pytest.fixture
def schedule(monkeypatch):
    """Entries in code, and the beat that reads them."""

    def set_(**found) -> beat.Timekeeper:
        monkeypatch.setitem(app.conf.changes, "beat_schedule", found)
        keeper = beat.Timekeeper(app=app, lazy=True)
        keeper.setup_schedule()
        keeper._read()
        return keeper

    return set_


def row(**more) -> PeriodicTask:
    every = IntervalSchedule.objects.create(every=1, period="hours")
    return PeriodicTask.objects.create(**{"name": "hourly", "task": DOTTED, "interval": every, "args": "[4]", **more})


def run_now() -> Job:
    (kept,) = actions.rows()
    assert kept.trouble == ""
    return actions.run_now(kept, None)


def test_an_entry_by_dotted_name_with_positional_arguments_and_options_runs_as_it_says(schedule):
    options = {"queue": "slow", "priority": 8}
    keeper = schedule(sums={"task": DOTTED, "schedule": 1.0, "args": (5, 6), "options": options})
    past = timezone.now() - timedelta(seconds=9)
    actions.rows().update(created_at=past, done_until=timezone.now() - timedelta(seconds=2))
    keeper._read()
    keeper._settle(timezone.now())
    job = Job.objects.get()
    assert (job.kind, job.params, job.queue, job.priority) == ("add", {"x": 5, "y": 6}, "slow", 8)


def test_a_row_made_in_the_admin_is_kept_as_it_says():
    row(args="[4]", kwargs='{"y": 9}', queue="slow", priority=7)
    actions.adopt()
    job = run_now()
    assert (job.params, job.queue, job.priority) == ({"x": 4, "y": 9}, "slow", 7)
    assert call("vera").get("schedules/").json()["results"][0]["params"] == {"x": 4, "y": 9}


def test_the_job_of_a_row_expires_as_the_row_says():
    row(expire_seconds=60)
    actions.adopt()
    job = run_now()
    assert 59 < (job.expires_at - job.created_at).total_seconds() < 61


@pytest.mark.parametrize("ago", [0, 1, 600])
def test_a_moment_that_passed_before_its_row_was_found_runs_once(ago):
    """As django-celery-beat does: code makes such a row for a moment to come, or while no beat runs."""
    at = ClockedSchedule.objects.create(clocked_time=timezone.now() - timedelta(seconds=ago))
    row(interval=None, clocked=at, one_off=True)
    keeper = beat.Timekeeper(app=app, lazy=True)
    for _ in range(2):
        keeper._read()
        keeper._settle(timezone.now())
    assert (Job.objects.count(), PeriodicTask.objects.get().enabled) == (1, False)


def test_parameters_given_anew_take_the_place_of_positional_ones():
    row()
    actions.adopt()
    (kept,) = actions.rows()
    actions.change(kept, params={"x": 1})
    assert run_now().params == {"x": 1, "y": 1}


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"args": "[1, 2, 3]"}, "Its parameters cannot be read: add() too many positional arguments"),
        ({"args": "{}"}, "Its parameters cannot be read: its positional ones are no JSON list"),
        ({"exchange": "fast"}, "It names an exchange or a routing key. A job waits in a queue: name that one."),
        ({"priority": 200}, "Its priority is a whole number from 0 to 9, and 9 comes first."),
        ({"headers": "[]"}, "Its headers are no JSON object."),
    ],
)
def test_what_cannot_be_honoured_of_a_row_is_said_on_the_page(columns, sentence):
    row(**columns)
    actions.adopt()
    (kept,) = actions.rows()
    assert kept.trouble == sentence
    assert sentence in call("vera").client.get("/schedules/").content.decode()


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"task": "tests.tasks.nobody"}, "starts nothing: there is no kind of job named 'tests.tasks.nobody'."),
        ({"task": DOTTED, "options": {"exchange": "x"}}, "is not kept. Its option 'exchange' cannot be honoured."),
        ({"task": DOTTED, "options": {"expires": "soon"}}, "is not kept. Its option 'expires' is a number of seconds"),
        ({"task": "names_plain"}, "starts nothing: 'names_plain' is a plain Celery task and no job: give it @job"),
    ],
)
def test_an_entry_that_cannot_be_kept_is_said_at_start_in_the_log_and_on_the_page(schedule, caplog, entry, sentence):
    with caplog.at_level(logging.WARNING):
        schedule(broken={"schedule": 5.0, **entry}, sums={"task": DOTTED, "schedule": 5.0, "args": (5,)})
    said = f"The entry 'broken' of beat_schedule {sentence}"
    assert any(line.startswith(said) for line in caplog.messages)
    assert any(found.msg.startswith(said) for found in checks.entries_of_beat(None))
    page = call("vera").client.get("/schedules/").content.decode().replace("&#x27;", "'")
    assert said in page
    assert [kept.periodic.name for kept in actions.rows()] == ["sums"], "one wrong entry stops no other"


def test_a_row_of_a_task_that_is_no_kind_is_named(caplog):
    row(task="their.task", name="theirs")
    row(task="celery.backend_cleanup", name="celery.backend_cleanup")
    keeper = beat.Timekeeper(app=app, lazy=True)
    for _ in range(2):
        keeper._read()
    assert caplog.messages == ["The schedule 'theirs' starts nothing: there is no kind of job named 'their.task'."]
    assert actions.strange_rows() == caplog.messages


def test_expiry_of_an_entry_is_a_number_of_seconds_a_length_or_a_moment():
    moment = timezone.now()
    found = [entries.fields_of({"options": {"expires": given}}) for given in (2.5, timedelta(minutes=1), moment)]
    assert [each["options"] for each in found] == [{"expire_seconds": 3}, {"expire_seconds": 60}, {}]
    assert found[2]["expires"] == moment

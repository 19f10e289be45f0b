"""Rows of a kind that nobody knows: the board names them, and ``manage.py rename_kind`` moves what belongs to them."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from tasks.access.models import Entry
from tasks.alerts.models import Rule
from tasks.engine import lifecycle, unserved
from tasks.engine.models import Bar, Ending, Job, Minute, Worker
from tasks.failures.models import Handled, Snoozed
from tasks.queries import board
from tasks.webhooks.models import Endpoint
from tests.support.calls import call
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def old_job(state: str = "succeeded", **more) -> Job:
    now = timezone.now()
    return Job.objects.create(kind="old_add", queue="default", state=state, created_at=now, finished_at=now, **more)


def page(path: str = "/") -> str:
    return call("vera").client.get(path).content.decode()


def test_the_board_names_rows_of_a_kind_that_nobody_knows():
    lifecycle.submit("add", {"x": 1})
    assert "which nobody knows here" not in page()
    old_job()
    assert "There are rows of the kind old_add, which nobody knows here" in page()


def test_a_dotted_name_in_a_row_is_unknown_too_and_watched_rows_are_none():
    old_job().__class__.objects.update(kind="tests.tasks.add")
    for _ in range(3):
        Job.objects.create(kind="their.task", queue="q", state="succeeded", app="shop", created_at=timezone.now())
    assert unserved.unknown_kinds() == ["tests.tasks.add"]


def test_the_old_kinds_rows_counts_schedules_and_marks_are_the_new_ones_afterwards(capsys):
    now = timezone.now()
    done, failed = old_job(), old_job("failed")
    Ending.objects.create(job=failed, state="failed", at=now, kind="old_add", queue="default", queued_at=now)
    waits = Job.objects.create(
        kind="old_add", queue="default", state="queued", serial_key="old_add:7", created_at=now,
        then=[[{"id": "1", "kind": "noop", "then": [[{"kind": "old_add", "params": {"kind": "old_add"}}]]}]],
    )  # fmt: skip
    watched = Job.objects.create(kind="old_add", queue="q", state="succeeded", app="shop", created_at=now)
    minute = now.replace(second=0, microsecond=0)
    counted = {"at": minute, "outcome": "succeeded", "waiting": [1, 2], "running": [3]}
    Minute.objects.create(kind="old_add", queue="default", n=2, **counted)
    Minute.objects.create(kind="add", queue="default", n=5, **counted | {"waiting": [10]})
    Minute.objects.create(kind="old_add", queue="io", n=4, **counted)
    Bar.objects.create(kind="old_add", minutes=60, n=1, **counted)
    every = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="hourly", task="old_add", interval=every)
    Rule.objects.create(watch="failures", kind="old_add")
    Handled.objects.create(kind="old_add", key="k", until=now, at=now)
    Snoozed.objects.create(kind="old_add", key="k", until=now, at=now)
    Endpoint.objects.create(url="https://example.org/", kinds=["old_add", "add"])
    version = done.version

    call_command("rename_kind", "old_add", "tests.tasks.add")

    assert set(Job.objects.values_list("kind", flat=True)) == {"add"}
    assert Job.every.get(pk=watched.pk).kind == "old_add"
    assert Job.objects.get(pk=done.pk).version == version + 1
    waits.refresh_from_db()
    assert (waits.serial_key, waits.then[0][0]["then"][0][0]) == (
        "add:7", {"kind": "add", "params": {"kind": "old_add"}},
    )  # fmt: skip
    assert Ending.objects.get().kind == "add"
    rows = Minute.objects.order_by("queue").values_list("kind", "queue", "n", "waiting", "running")
    assert list(rows) == [("add", "default", 7, [11, 2], [6]), ("add", "io", 4, [1, 2], [3])]
    assert Bar.objects.get().kind == PeriodicTask.objects.get(name="hourly").task == Rule.objects.last().kind == "add"
    assert Handled.objects.get().kind == Snoozed.objects.get().kind == "add"
    assert Endpoint.objects.get().kinds == ["add"]
    entry = Entry.objects.get(action="rename_kind")
    assert (entry.target, entry.detail["new"], entry.detail["jobs"]) == ("kind old_add", "add", 3)
    assert "3 jobs" in capsys.readouterr().out
    assert unserved.unknown_kinds() == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("old_add", "nobody", "There is no kind of job named 'nobody': rows would belong to nobody."),
        ("noop", "add", "'noop' is the name of a kind that there is"),
    ],
)
def test_nothing_is_guessed_and_no_living_kind_loses_its_rows(old, new, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("rename_kind", old, new)


def test_more_rows_than_one_step_takes_are_moved(monkeypatch):
    monkeypatch.setattr("project.rename.AT_ONCE", 3)
    for _ in range(8):
        old_job()
    call_command("rename_kind", "old_add", "add")
    assert Job.objects.filter(kind="add").count() == 8


def worker(**more) -> None:
    now = timezone.now()
    row = {"name": "w1@here", "host": "here", "pid": 1, "queues": ["default"], "kinds": ["noop"], **more}
    Worker.objects.create(seen_at=now, started_at=now, **row)


def test_a_queued_job_whose_kind_no_live_worker_knows_is_said():
    lifecycle.submit("add", {"x": 1})
    lifecycle.submit("noop", {})
    assert unserved.find() == (set(), set()), "no worker is another trouble"
    worker()
    assert unserved.find().kinds == {"add"}
    assert "Jobs of the kind add are queued, and no live worker knows it." in page()
    worker(name="old@here", kinds=None)
    assert unserved.find().kinds == set(), "an older release does not say what it knows"


def test_a_worker_that_is_gone_knows_nothing():
    lifecycle.submit("add", {"x": 1})
    worker()
    worker(name="w2@here", kinds=["add"])
    Worker.objects.filter(name="w2@here").update(seen_at=timezone.now() - timedelta(hours=1))
    assert unserved.find().kinds == {"add"}
    assert json.dumps(board.workers())  # what pages and frames are made of is as before


@pytest.mark.process
def test_a_worker_says_what_it_knows_and_logs_what_nobody_runs(start_worker):
    Job.objects.create(kind="old_add", queue="default", state="queued", created_at=timezone.now())
    Job.objects.create(kind="add", queue="elsewhere", state="queued", created_at=timezone.now())
    running = start_worker(SIGNALBOX_SWEEP_S="0.2")
    wait_until(lambda: "no live worker serves" in running.log(), what="the line of the log")
    assert "Jobs of the kind old_add are queued, and no live worker knows it" in running.log()
    assert "Jobs wait in the queue elsewhere, which no live worker serves." in running.log()
    assert {"add", "tests.names.one.names_send"} <= set(Worker.objects.get().kinds)

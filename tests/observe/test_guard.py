"""Rows of watched applications and our own jobs never touch each other."""

import json
import time
import uuid
from base64 import b64encode
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.observe import events, ledger, rows
from tasks.observe.models import App
from tasks.observe.watcher import Watcher
from tasks.webhooks import outbox
from tasks.webhooks.models import Delivery, Endpoint
from tasks.worker import sweep

pytestmark = pytest.mark.django_db(transaction=True)


def heard(kind: str, task: str, clock: int = 1, at: float | None = None, **facts) -> events.Event:
    message = {
        "type": kind, "uuid": task, "hostname": "w1@there", "pid": 7, "clock": clock,
        "timestamp": at or time.time(), "utcoffset": 0, **facts,
    }  # fmt: skip
    envelope = {
        "body": b64encode(json.dumps(message).encode()).decode(), "content-type": "application/json",
        "content-encoding": "utf-8", "properties": {"body_encoding": "base64"},
    }  # fmt: skip
    dropped: Counter[str] = Counter()
    (event,) = events.read_message(json.dumps(envelope).encode(), dropped)
    return event


def watcher(name: str = "shop") -> Watcher:
    app, _ = App.objects.get_or_create(name=name, defaults={"transport": "redis"})
    return Watcher(app, lambda hosts: None)


def say(watching: Watcher, *found: events.Event) -> None:
    watching.take(list(found), time.time())
    watching.write()


def running_job() -> Job:
    job, _ = lifecycle.submit("noop", {})
    return lifecycle.claim(job.uid, "w@h", 1)


def test_an_event_with_the_id_of_a_running_job_of_ours_changes_nothing():
    job = running_job()
    before = Job.every.filter(pk=job.pk).values().get()
    watching = watcher()
    say(
        watching,
        heard("task-received", str(job.uid), 1, name="evil"),
        heard("task-started", str(job.uid), 2),
        heard("task-failed", str(job.uid), 3, exception="ValueError('x')", traceback="x"),
    )
    assert Job.every.filter(pk=job.pk).values().get() == before
    row = Job.every.get(app="shop")
    assert row.uid == rows.uid_of("shop", str(job.uid), own=False)
    assert (row.state, row.task_id) == ("failed", str(job.uid))
    assert lifecycle.succeed(job).state == "succeeded"


def test_an_id_of_another_watched_application_is_a_row_of_its_own():
    task = str(uuid.uuid4())
    say(watcher("shop"), heard("task-received", task, name="a"))
    say(watcher("crm"), heard("task-received", task, name="b"), heard("task-started", task, 2))
    rows = {row.app: (row.kind, row.state, str(row.uid) == task) for row in Job.every.filter(task_id=task)}
    assert rows == {"shop": ("a", "queued", True), "crm": ("b", "running", False)}


def test_an_id_that_is_no_uuid_keeps_its_name():
    say(watcher(), heard("task-received", "order-7", name="a"))
    row = Job.every.get(app="shop")
    assert (row.task_id, row.uid) == ("order-7", rows.uid_of("shop", "order-7"))


def test_no_verb_of_ours_moves_a_watched_row():
    task = uuid.uuid4()
    say(watcher(), heard("task-received", str(task), name="noop"))
    before = Job.every.filter(uid=task).values().get()
    assert lifecycle.claim(task, "w@h", 1) is None
    for verb in (lifecycle.cancel, lifecycle.retry, lifecycle.take_back):
        with pytest.raises(Job.DoesNotExist):
            verb(task)
    row = Job.every.get(uid=task)
    for verb in (lifecycle.succeed, lifecycle.release, lifecycle.rescue):
        assert verb(row) is None
    assert Job.every.filter(uid=task).values().get() == before


def test_the_engines_walks_leave_watched_rows_alone(monkeypatch):
    waiting, running, due = (str(uuid.uuid4()) for _ in range(3))
    watching = watcher()
    say(
        watching,
        heard("task-received", waiting, 1, name="a"),
        heard("task-received", running, 2, name="a"),
        heard("task-started", running, 3),
        heard("task-received", due, 4, name="a", eta=(timezone.now() + timedelta(hours=1)).isoformat()),
    )
    Job.every.filter(task_id=due).update(due_at=timezone.now())
    Job.every.update(rung_at=timezone.now() - timedelta(hours=2))
    before = list(Job.every.order_by("id").values())
    monkeypatch.setattr(sweep, "confirm_after", lambda: 1e9)
    monkeypatch.setattr(sweep, "lease", lambda kind: 0.0)
    reaper = sweep.Reaper()
    reaper()
    reaper()
    sweep.wake()
    sweep.dispatch()
    assert list(Job.every.order_by("id").values()) == before


def test_an_older_version_of_a_row_writes_nothing():
    task = str(uuid.uuid4())
    first, second = watcher(), watcher()
    say(first, heard("task-received", task, 1, name="a"))
    say(second, heard("task-received", task, 1, name="a"), heard("task-started", task, 2))
    entry = first.entries[task]
    Job.every.filter(task_id=task).update(version=2**62)
    assert ledger.write("shop", [entry]) == []
    assert Job.every.get(task_id=task).state == "running"


def test_webhooks_that_name_an_application_get_messages_about_its_tasks():
    for name, apps in (("shop", ["shop"]), ("ours", [])):
        secret = outbox.seal_secret(outbox.make_secret())
        Endpoint.objects.create(name=name, url="https://example.org/", secret=secret, states=["failed"], apps=apps)
    task, watching = str(uuid.uuid4()), watcher()
    say(watching, heard("task-received", task, 1, name="a"), heard("task-started", task, 2))
    say(watching, heard("task-failed", task, 3, exception="ValueError('x')", traceback="ValueError: x"))
    say(watching, heard("task-failed", task, 3, exception="ValueError('x')", traceback="ValueError: x"))
    (sent,) = Delivery.objects.all()
    assert (sent.endpoint.name, sent.event) == ("shop", "job.failed")

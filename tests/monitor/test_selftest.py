"""The self test as the server sees it: a real job, the moments of its legs, words for the leg that does not come."""

import json
from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from tasks.access.models import Entry
from tasks.engine import broker, lifecycle, notify
from tasks.engine.models import Job, Worker
from tasks.monitor import selftest
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)
JSON = {"accept": "application/json"}


def browser(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def serving(name: str = "w1", ago: float = 0, **more) -> Worker:
    now = timezone.now()
    seen = now - timezone.timedelta(seconds=ago)
    usual = {"host": "h", "pid": 1, "queues": ["default"], "concurrency": 1, "seen_at": seen, "started_at": now}
    return Worker.objects.create(name=name, **usual | more)


def test_it_submits_a_real_job_and_says_when_each_leg_was_over():
    before = timezone.now()
    body = browser("bob").post("/self-test/", headers=JSON).json()
    job = Job.objects.get()
    assert (body["job"]["id"], job.kind, job.owner, job.priority) == (str(job.uid), "noop", person("bob"), 9)
    at = {name: datetime.fromisoformat(moment) for name, moment in body["at"].items()}
    moments = [before, at["received"], job.created_at, at["accepted"], at["notified"]]
    moments += [datetime.fromisoformat(body["answered"]), timezone.now()]
    assert moments == sorted(moments)
    assert Entry.objects.get(action="submit").target == str(job.uid)


def test_a_broker_that_does_not_take_the_message_is_no_moment(monkeypatch):
    monkeypatch.setattr(broker, "_producer", lambda: (_ for _ in ()).throw(OSError("away")))
    monkeypatch.setattr(broker, "_quiet_until", 0.0)
    body = browser("bob").post("/self-test/", headers=JSON).json()
    assert body["at"]["notified"] is None and body["at"]["accepted"]


def test_it_is_for_those_who_may_submit():
    assert browser("vera").get("/self-test/").status_code == 403
    assert browser("vera").post("/self-test/", headers=JSON).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(person("bob"))
    assert strict.post("/self-test/").status_code == 403
    assert not Job.objects.exists()


def test_without_scripts_the_legs_of_the_row_are_shown():
    client = browser("bob")
    answer = client.post("/self-test/")
    assert answer.status_code == 302
    assert "The job is queued. No worker serves queue default" in client.get(answer["Location"]).content.decode()
    job = Job.objects.get()
    lifecycle.succeed(lifecycle.claim(job.uid, "w1", 1))
    page = client.get(answer["Location"]).content.decode()
    assert "The job is succeeded." in page and f"/jobs/{job.uid}/" in page
    assert " ms</td>" in page.split('data-leg="written"')[1].split("</tr>")[0]


def test_only_a_job_of_its_own_kind_is_a_test():
    other = lifecycle.submit("countdown", {}, owner=person("bob"))[0]
    assert browser("bob").get(f"/self-test/?job={other.uid}").status_code == 404
    assert browser("bob").get("/self-test/?job=nonsense").status_code == 404


def test_why_a_job_does_not_come_on_is_said_in_words(monkeypatch):
    job = lifecycle.submit("noop", {}, owner=person("bob"))[0]

    def why() -> str:
        body = browser("bob").get(f"/self-test/?job={job.uid}", headers=JSON)
        return json.loads(body.content)["why"]

    assert "No worker serves queue default" in why()
    serving("gone", ago=3600)
    assert "gone has been lost" in why()
    serving()
    assert "with free slots, but none took the job" in why()
    busy = lifecycle.submit("countdown", {})[0]
    lifecycle.claim(busy.uid, "w1", 1)
    assert "All 1 slots of the workers of default are busy" in why()
    monkeypatch.setattr(selftest.broker, "ready", lambda queue: (_ for _ in ()).throw(OSError("away")))
    assert why().startswith("The broker (Redis) does not answer")
    notify.pause("default")
    assert "is paused" in why()
    notify.resume("default")
    held = lifecycle.claim(job.uid, "w2", 1)
    assert "The worker w2 took the job" in why()
    lifecycle.succeed(held)
    assert why() == ""

"""One worker looks after the whole installation, another one takes over, and an idle one asks its database little."""

from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.alerts import evaluate
from tasks.alerts.models import Rule, Watch
from tasks.engine import lifecycle
from tasks.engine.models import Job, Worker
from tasks.schedules import actions
from tasks.webhooks import deliveries
from tasks.worker import heartbeat, pulse, sweep
from tests.support.processes import wait_until
from tests.worker.test_worker import ended

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(monkeypatch, settings):
    settings.SIGNALBOX_HEARTBEAT_S = 2.0
    now = [1000.0]
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now[0])
    return now


class Beating:
    """A worker of this test: what its first process knows, and its row."""

    def __init__(self, name: str, monkeypatch) -> None:
        self.name, self.heard, self.patch = name, heartbeat._Heard(), monkeypatch

    def beat(self) -> bool:
        """Whether it leads afterwards."""
        self.patch.setattr(heartbeat, "_heard", self.heard)
        worker = SimpleNamespace(hostname=self.name, concurrency=2)
        self.patch.setattr(pulse, "worker", lambda: (worker, 1))
        heartbeat.say_alive()
        return heartbeat.leads()


def test_the_first_worker_leads_and_the_next_one_when_it_is_silent(clock, monkeypatch):
    one, two, three = (Beating(name, monkeypatch) for name in ("one", "two", "three"))
    assert [each.beat() for each in (one, two, three)] == [True, True, True], "until they have heard of each other"
    for _ in range(5):
        clock[0] += 2
        assert [each.beat() for each in (one, two, three)] == [True, False, False]
    for seconds in (2, 4, 6):
        clock[0] += 2
        assert [each.beat() for each in (two, three)] == [False, False], f"{seconds} s after its last beat"
    clock[0] += 2
    assert [each.beat() for each in (two, three)] == [True, False]
    clock[0] += 2
    assert one.beat(), "it was only slow"
    clock[0] += 2
    assert [each.beat() for each in (one, two, three)] == [True, False, False]


def test_who_has_stopped_does_not_lead_and_who_crashed_long_ago_neither(clock, monkeypatch):
    now = lifecycle.now()
    Worker.objects.create(name="crashed", host="h", pid=1, beat=9, seen_at=now, started_at=now)
    one, two = Beating("one", monkeypatch), Beating("two", monkeypatch)
    for _ in range(6):
        found = [one.beat(), two.beat()]
        clock[0] += 2
    assert found == [True, False]
    Worker.objects.filter(name="one").update(stopped_at=now)
    two.beat()
    clock[0] += 7
    assert two.beat()


def test_a_heartbeat_is_one_statement_and_says_whether_a_job_runs(clock, monkeypatch, django_assert_num_queries):
    one = Beating("one", monkeypatch)
    one.beat()
    with django_assert_num_queries(1):
        one.beat()
    assert not heartbeat.something_runs()
    job, _ = lifecycle.submit("noop", {})
    lifecycle.claim(job.uid, "w", 1)
    one.beat()
    assert heartbeat.something_runs()


def test_a_duty_is_done_by_the_leader_and_rarely_by_the_others(monkeypatch):
    done = []
    duty = heartbeat.by_leader(lambda: done.append(1))
    monkeypatch.setattr(heartbeat, "leads", lambda: True)
    for _ in range(10):
        duty()
    assert len(done) == 10
    monkeypatch.setattr(heartbeat, "leads", lambda: False)
    for _ in range(10 * heartbeat.RARELY):
        duty()
    assert len(done) == 20


def test_what_there_is_to_do_is_asked_in_one_statement(monkeypatch, django_assert_num_queries):
    rung = []
    monkeypatch.setattr(heartbeat, "leads", lambda: True)
    look = sweep.Look((deliveries.DUE_LANES, lambda: rung.append(1)))
    with django_assert_num_queries(1):
        look()
    assert (look.queued, rung) == (False, [])
    done = []
    look.if_queued(lambda: done.append(1))()
    assert done == []
    job, _ = lifecycle.submit("noop", {}, due_at=lifecycle.now())
    late, _ = lifecycle.submit("noop", {}, expires_at=lifecycle.now())
    look()
    assert Job.objects.get(pk=job.pk).state == "queued"
    assert Job.objects.get(pk=late.pk).state == "cancelled"
    look.if_queued(lambda: done.append(1))()
    assert done == [1]


def test_who_does_not_lead_looks_as_often_as_a_sweep(monkeypatch, settings, django_assert_num_queries):
    settings.SIGNALBOX_SWEEP_S = 3600.0
    monkeypatch.setattr(heartbeat, "leads", lambda: False)
    look = sweep.Look()
    look()
    with django_assert_num_queries(0):
        look()


def test_rules_ask_as_little_of_many_schedules_as_of_none():
    Rule.objects.all().delete()
    Rule.objects.create(watch=Watch.SCHEDULE)
    asked = []
    for n in range(2):
        with CaptureQueriesContext(connection) as said:
            evaluate.evaluate()
        asked.append(len(said))
        for each in range(5):
            actions.create(f"{n} {each}", "noop", {}, actions.every(3600, lifecycle.now()))
    assert asked[0] == asked[1] <= 5


@pytest.mark.process
def test_when_the_leader_is_killed_another_worker_wakes_what_is_due(start_worker):
    leader = start_worker("w1", concurrency=1)
    start_worker("w2", concurrency=1)
    leader.kill()
    job, _ = lifecycle.submit("noop", {}, due_at=lifecycle.now())
    assert wait_until(lambda: ended(job), 20, "the job that was due").worker.startswith("w2")

"""Health, readiness and metrics: what is shown without credentials, what admins get, and that the figures are true."""

import json
import logging

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from prometheus_client.parser import text_string_to_metric_families

from project import health, keys, logs, metrics
from tasks.access.models import Entry
from tasks.engine import lifecycle, notify
from tasks.engine.errors import Failure
from tasks.engine.log_context import mask_secrets
from tasks.engine.models import Job, Worker
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)  # a job that could be accepted is one of another connection


@pytest.fixture(autouse=True)
def ask_anew(monkeypatch):
    monkeypatch.setattr(health, "FRESH_S", -1.0)


def samples(text: str) -> dict[tuple[str, tuple], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("who", [(), ("charlie",), ("vera",), ("alice",), ("alice", "submit"), ("ada",)])
def test_everybody_learns_that_it_lives(who):
    answer = call(*who).get("/healthz")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"ok\n", "text/plain")


def test_it_lives_without_a_database(monkeypatch):
    monkeypatch.setattr(connection, "ensure_connection", lambda: 1 / 0)
    answer = call().get("/healthz", Cookie="signalbox_session=abc", Authorization="Token abc")
    assert answer.status_code == 200


def test_requests_without_credentials_get_a_bare_word_and_who_may_see_metrics_the_details():
    for who in ((), ("charlie",), ("vera",), ("alice",), ("alice", "read"), ("ada", "submit")):
        answer = call(*who).get("/readyz")
        assert (answer.status_code, answer.content) == (200, b"ready\n")
    for who in (("ada",), ("ada", "read"), ("ada", "manage")):
        assert call(*who).get("/readyz").json() == {
            "ready": True, "database": "ok", "redis": "ok", "workers_alive": 0,
            "key": keys.fingerprint(settings.SECRET_KEY),
        }  # fmt: skip
    assert call().get("/readyz", Authorization="Token nonsense").content == b"ready\n"


@pytest.mark.parametrize("part", ["database", "redis"])
def test_a_part_that_is_away_is_a_bare_503(monkeypatch, part):
    monkeypatch.setattr(health, part, lambda: False)
    answer = call().get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"unavailable\n")


def test_redis_away_really(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert call().get("/readyz").status_code == 503
    details = call("ada").get("/readyz")
    assert (details.status_code, details.json()["redis"]) == (503, "no answer")


def test_who_gets_metrics():
    assert call().get("/metrics").status_code == 401
    assert call().get("/metrics", Authorization="Token nonsense").status_code == 401
    for who in (("charlie",), ("vera",), ("alice",), ("ada", "submit"), ("alice", "read"), ("vera", "manage")):
        assert call(*who).get("/metrics").status_code == 403
    for who in (("ada",), ("ada", "read"), ("ada", "manage")):
        assert call(*who).get("/metrics").status_code == 200
    assert call("ada").post("/metrics").status_code == 405


def test_the_figures_are_those_of_the_rows(monkeypatch):
    monkeypatch.setattr(metrics, "SETTLED", metrics.timedelta(0))
    ada, collector = call("ada"), metrics.Collector()
    monkeypatch.setattr(collector.durations, "since", lifecycle.now())
    monkeypatch.setattr(metrics.registry, "collect", collector.collect)
    alice = person("alice")
    jobs = [lifecycle.submit("noop", {}, owner=alice)[0] for _ in range(4)]
    lifecycle.succeed(lifecycle.claim(jobs[0].uid, "w1@here", 1))
    lifecycle.fail(lifecycle.claim(jobs[1].uid, "w1@here", 1), Failure("it broke"))
    lifecycle.claim(jobs[2].uid, "w1@here", 1)
    now = lifecycle.now()
    Worker.objects.create(name="w1@here", host="here", pid=1, queues=["default"], seen_at=now, started_at=now)
    notify.pause("default", alice)
    seen = samples(ada.get("/metrics").content.decode())
    assert seen["signalbox_jobs", (("state", "running"),)] == 1
    assert seen["signalbox_queue_depth", (("queue", "default"),)] == 1
    assert seen["signalbox_queue_paused", (("queue", "default"),)] == 1
    assert seen["signalbox_worker_up", (("worker", "w1@here"),)] == 1
    for outcome in ("succeeded", "failed"):
        labels = (("kind", "noop"), ("outcome", outcome))
        assert seen["signalbox_job_run_seconds_count", labels] == 1
        assert seen["signalbox_job_run_seconds_bucket", (*labels[:1], ("le", "+Inf"), *labels[1:])] == 1
    assert ("signalbox_pushes_sent_total", ()) in seen and ("signalbox_hub_repairs_total", ()) in seen
    again = samples(ada.get("/metrics").content.decode())
    assert again["signalbox_job_run_seconds_count", labels] == 1  # counted once, however often it is scraped
    assert "alice" not in ada.get("/metrics").content.decode()
    assert Job.objects.count() == 4


def test_a_page_of_a_busy_database_is_a_503(monkeypatch):
    def locked(*_, **__):
        raise OperationalError("database is locked")

    monkeypatch.setattr("tasks.queries.board.board", locked)
    answer = call("vera").get("/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert b"locked" not in answer.content


def record(text: str, **more) -> logging.LogRecord:
    made = logging.LogRecord("tasks.test", logging.INFO, __file__, 1, text, (), None)
    made.__dict__ |= more
    return made


def test_what_lets_somebody_in_stands_in_no_log_line():
    broke = RuntimeError("/start/abc/")
    made = record(
        'POST /start/s3cret-T0ken/ 404, then "/share/AaIT.b-c_d/state/" and /share/x',
        exc_info=(RuntimeError, broke, None),
    )
    for line in (logs.LineFormatter().format(made), json.loads(logs.JsonFormatter().format(made))["text"]):
        assert 'POST /start/•••/ 404, then "/share/•••/state/" and /share/•••' in line
    assert "abc" not in logs.LineFormatter().format(made) and "abc" not in logs.JsonFormatter().format(made)
    assert mask_secrets("/api/v1/jobs/0199/share/0198/") == "/api/v1/jobs/0199/share/0198/"


def test_a_refused_link_is_not_in_the_trail_either():
    strict = call()
    strict.client.handler.enforce_csrf_checks = True
    strict.post("/share/s3cret/", {})
    assert [entry.target for entry in Entry.objects.all()] == ["/share/•••/"]


def test_a_log_line_names_its_request_and_its_job_and_stays_one_line():
    made = record("a\n2026-11-23 INFO forged", request_id="r1", job_id="j1")
    line = logs.LineFormatter().format(made)
    assert "\n" not in line and line.endswith("INFO tasks.test: request=r1 job=j1 a\\n2026-11-23 INFO forged")
    found = json.loads(logs.JsonFormatter().format(made))
    assert (found["request"], found["job"], found["level"], found["logger"]) == ("r1", "j1", "info", "tasks.test")

"""The audit trail: every action and every refused attempt, who, what, on what, from where, and how it went."""

import io
import logging
from collections import OrderedDict

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from project.logs import Context, LineFormatter
from tasks.access import audit
from tasks.access.models import Entry
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db


def trail() -> list[tuple[str, ...]]:
    return [(e.who, e.via, e.action, e.outcome, e.code) for e in Entry.objects.order_by("id")]


def test_an_action_and_its_entry_are_written_together():
    answer = call("alice", "manage").post("jobs/", {"kind": "noop"}, X_Request_ID="shop-17")
    entry = Entry.objects.get()
    assert (entry.who, entry.via, entry.action, entry.target) == ("alice", "token", "submit", answer.json()["id"])
    assert (entry.outcome, entry.address, entry.request, entry.detail) == (
        "done",
        "127.0.0.1",
        "shop-17",
        {"kind": "noop"},
    )
    assert answer["X-Request-ID"] == "shop-17"


def test_no_entry_no_action(monkeypatch):
    job = lifecycle.submit("noop", {}, owner=person("alice"))[0]
    monkeypatch.setattr(audit, "note", lambda *a, **k: 1 / 0)
    assert call("alice").post(f"jobs/{job.uid}/cancel/").status_code == 500
    assert call("alice").post("jobs/", {"kind": "noop"}).status_code == 500
    assert [each.state for each in Job.objects.all()] == ["queued"]


def test_every_action_leaves_its_entry():
    ada = call("ada")
    job = ada.post("jobs/", {"kind": "noop"}).json()["id"]
    ada.post(f"jobs/{job}/cancel/", {"reason": "no longer"})
    ada.post(f"jobs/{job}/retry/")
    ada.post(f"jobs/{job}/share/", {})
    ada.post("queues/default/pause/")
    ada.post("queues/default/resume/")
    token = ada.post("tokens/", {"scope": "read"}).json()["id"]
    ada.delete(f"tokens/{token}/")
    ada.post("bulk/", {"action": "cancel", "filter": {"state": "queued"}})
    assert [entry[2:] for entry in trail()] == [
        (action, "done", "")
        for action in ("submit", "cancel", "retry", "share", "pause", "pause", "change_tokens", "change_tokens", "bulk")
    ]
    assert Entry.objects.filter(action="cancel").get().detail == {"reason": "no longer"}


def test_every_refusal_leaves_its_entry():
    job = lifecycle.submit("noop", {}, owner=person("bob"))[0]
    call("vera").post("jobs/", {"kind": "noop"})
    call("charlie").get("jobs/")
    call("alice", "read").post(f"jobs/{job.uid}/cancel/")
    call("alice", "submit").post(f"jobs/{job.uid}/cancel/")
    call().get("jobs/")
    call().post("jobs/", {}, Authorization="Token nonsense")
    lifecycle.cancel(job.uid)
    call("alice").post("jobs/", {"kind": "noop"}, Idempotency_Key="a")
    call("alice").post("jobs/", {"kind": "countdown"}, Idempotency_Key="a")
    done = lifecycle.succeed(lifecycle.claim(lifecycle.submit("noop", {})[0].uid, "w", 1))
    call("alice").post(f"jobs/{done.uid}/cancel/")
    call("vera").get("/audit-by-hand/")
    assert [entry for entry in trail() if entry[3] == "refused"] == [
        ("vera", "session", "submit", "refused", "forbidden"),
        ("charlie", "session", "see", "refused", "forbidden"),
        ("alice", "token", "cancel", "refused", "forbidden"),
        ("alice", "token", "cancel", "refused", "unknown-job"),
        ("", "session", "see", "refused", "not-authenticated"),
        ("", "session", "submit", "refused", "not-authenticated"),
        ("alice", "session", "submit", "refused", "key-reused"),
        ("alice", "session", "cancel", "refused", "not-in-this-state"),
    ]


def test_pages_and_metrics_leave_theirs_too():
    for name in ("charlie", "vera"):
        assert call(name).get("/submit/").status_code == 403
    assert call("alice").get("/metrics").status_code == 403
    assert call().get("/metrics").status_code == 401
    assert [(e.who, e.target) for e in Entry.objects.order_by("id")] == [
        ("charlie", "/submit/"), ("vera", "/submit/"), ("alice", "/metrics"), ("", "/metrics"),
    ]  # fmt: skip


def test_admins_read_it_page_by_page_and_nobody_else_does():
    for n in range(5):
        audit.note(person("alice"), "cancel", f"job {n}")
    ada = call("ada")
    page = ada.get("audit/?limit=2&who=alice").json()
    assert [entry["target"] for entry in page["results"]] == ["job 4", "job 3"]
    assert [entry["target"] for entry in ada.get(page["next"]).json()["results"]] == ["job 2", "job 1"]
    shown = page["results"][0]
    assert (shown["who"], shown["via"], shown["outcome"], shown["code"]) == ("alice", "shell", "done", None)
    for who in (("alice", None), ("vera", None), ("charlie", None), ("ada", "manage"), ("ada", "read")):
        assert call(*who).get("audit/").status_code == 403
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert ada.send(method, "audit/").status_code == 405


def test_a_flood_of_anonymous_requests_does_not_fill_the_trail(monkeypatch):
    monkeypatch.setattr(audit, "_anonymous", audit.Allowance(0.0, 3))
    for _ in range(6):
        assert call().get("jobs/").status_code == 401
    assert Entry.objects.count() == 3
    person("vera").groups.set([Group.objects.get_or_create(name="viewer")[0]])
    call("vera").post("jobs/", {"kind": "noop"})
    assert Entry.objects.count() == 4  # whoever has a name is always written


def test_a_flood_of_one_person_does_not_fill_the_trail_and_hides_nobody_elses(monkeypatch):
    monkeypatch.setattr(audit, "_people", OrderedDict())
    monkeypatch.setattr(audit, "OWN_BURST", 3)
    monkeypatch.setattr(audit, "OWN_RATE", 0.0)
    for scope in ("read", None, "submit", "read", None):
        assert call("vera", scope).post("jobs/", {"kind": "noop"}).status_code == 403
    call("charlie").get("jobs/")
    assert [who for who, *_ in trail()] == ["vera"] * 3 + ["charlie"]
    call("alice").post("jobs/", {"kind": "noop"})
    assert trail()[-1][2:4] == ("submit", "done"), "what is done is written, whatever was refused before"


def test_what_others_typed_stays_in_one_line():
    audit.refused(None, "open", "a\r\n2026-11-23 INFO ada: all is well \x1b[2J", "forbidden")
    assert Entry.objects.get().target == "a��2026-11-23 INFO ada: all is well �[2J"


def test_what_others_do_wrong_is_a_line_of_the_log_and_no_traceback():
    root = logging.getLogger()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Context())
    handler.setFormatter(LineFormatter())
    root.addHandler(handler)
    try:
        assert Client(headers={"host": "evil.example"}).get("/").status_code == 400
        assert call("vera").client.get("/audit/").status_code == 403
    finally:
        root.removeHandler(handler)
    text = stream.getvalue()
    assert "evil.example" in text and "/audit/" in text
    assert "Traceback" not in text and len(text.splitlines()) < 8

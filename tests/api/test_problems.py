"""Every error of the API is a problem of RFC 9457, shows no internals, and is in the catalogue of the documentation."""

import pytest
from django.db import OperationalError

from tasks.api.problems import CATALOGUE
from tasks.queries import board
from tests.support.calls import call

pytestmark = pytest.mark.django_db
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("GET", "/api/v1/nowhere/", None, {}, (404, "not-found")),
        ("GET", "/api/nowhere/at/all", None, {}, (404, "not-found")),
        ("GET", "jobs/0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a/", None, {}, (404, "unknown-job")),
        ("GET", "jobs/17/", None, {}, (404, "not-found")),
        ("DELETE", "jobs/", None, {}, (405, "method-not-allowed")),
        ("OPTIONS", "jobs/", None, {}, (405, "method-not-allowed")),
        ("GET", "jobs/", None, {"Accept": "text/html"}, (406, "not-acceptable")),
        ("POST", "jobs/", "{", {}, (400, "bad-json")),
        ("POST", "jobs/", b"\xff\xfe", {}, (400, "bad-json")),
        ("POST", "jobs/", '{"kind": NaN}', {}, (400, "bad-json")),
        ("POST", "jobs/", "[" * 100_000, {}, (400, "bad-json")),
        ("POST", "jobs/", '{"kind": "noop", "params": {"a": "\\u0000"}}', {}, (400, "bad-json")),
        ("POST", "jobs/", '{"kind": "\\ud800"}', {}, (400, "bad-json")),
        ("POST", "jobs/", "[]", {}, (400, "bad-input")),
        ("POST", "jobs/", "null", {}, (400, "bad-input")),
        ("POST", "jobs/", "kind=noop", FORM, (415, "unsupported-media-type")),
        ("POST", "jobs/", "<kind/>", {"Content-Type": "text/xml"}, (415, "unsupported-media-type")),
        ("POST", "jobs/", '"' + "x" * 1_100_000 + '"', {}, (413, "too-large")),
        ("POST", "jobs/", '{"kind": "countdown", "params": {"seconds": 1' + "0" * 5000 + "}}", {}, (400, "bad-json")),
        ("GET", "jobs/?limit=0", None, {}, (400, "bad-input")),
        ("GET", "jobs/?limit=101", None, {}, (400, "bad-input")),
        ("GET", "jobs/?limit=x", None, {}, (400, "bad-input")),
        ("GET", "jobs/?cursor=x", None, {}, (400, "bad-input")),
        ("GET", "jobs/?stat=failed", None, {}, (400, "bad-input")),
        ("GET", "jobs/?state=broken", None, {}, (400, "bad-input")),
        ("GET", "jobs/?state=", None, {}, (400, "bad-input")),
        ("GET", "jobs/?owner=", None, {}, (400, "bad-input")),
        ("GET", "jobs/?q=%00", None, {}, (400, "bad-input")),
        ("GET", "jobs/?since=someday", None, {}, (400, "bad-input")),
        ("GET", "stats/?period=2y", None, {}, (400, "bad-input")),
        ("POST", "queues/nobody/pause/", None, {}, (404, "not-found")),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_code(method, path, body, headers, expected):
    answer = call("alice", "manage").send(method, path, body, **headers)
    assert (answer.status_code, answer.problem) == expected, answer.content[:300]
    assert answer["Content-Type"] == "application/problem+json"
    assert set(answer.json()) >= {"type", "title", "status", "detail"}
    if expected[0] == 405:
        assert answer["Allow"] == "GET, POST, HEAD" or "GET" in answer["Allow"]


@pytest.mark.parametrize("text", ["Token", "Token  ", "Token nonsense", "Token a b", "Token " + "0" * 64, "Bearer x"])
def test_a_wrong_token_is_a_401_that_says_how_to_log_in(text):
    answer = call().get("jobs/", Authorization=text)
    assert (answer.status_code, answer.problem, answer["WWW-Authenticate"]) == (401, "not-authenticated", "Token")
    assert "`Authorization: Token <token>`" in answer.json()["detail"]


def test_a_token_in_the_address_is_not_looked_at():
    text = call("alice", "manage").text
    for path in (f"jobs/?token={text}", f"jobs/?Authorization=Token%20{text}", f"jobs/?access_token={text}"):
        assert call().get(path).status_code == 401


def test_a_session_needs_its_csrf_token():
    alice = call("alice")
    alice.client.handler.enforce_csrf_checks = True
    answer = alice.post("jobs/", {"kind": "noop"})
    assert (answer.status_code, answer.problem) == (403, "csrf")


def broken(*_):
    raise RuntimeError("the secret of the server")


def locked(*_):
    raise OperationalError("database is locked")


def test_what_breaks_shows_nothing_of_our_insides(monkeypatch):
    monkeypatch.setattr(board, "queues", broken)
    answer = call("vera").get("queues/")
    assert (answer.status_code, answer.problem) == (500, "internal")
    assert b"secret" not in answer.content and b"Traceback" not in answer.content


def test_a_busy_database_is_a_503_that_says_when_to_come_again(monkeypatch):
    monkeypatch.setattr(board, "queues", locked)
    answer = call("vera").get("queues/")
    assert (answer.status_code, answer.problem, answer["Retry-After"]) == (503, "unavailable", "2")


def test_a_page_without_its_last_slash_leads_there():
    vera = call("vera")
    answer = vera.get("/api/v1/jobs?limit=2")
    assert (answer.status_code, answer["Location"]) == (301, "/api/v1/jobs/?limit=2")
    assert answer["X-API-Version"] == "v1"
    assert vera.get("/api//evil.example/jobs").status_code == 404


def test_a_body_sent_to_an_address_without_its_last_slash_is_sent_again_to_the_right_one():
    alice = call("alice")
    for path in ("/api/v1/jobs", "/api/jobs"):
        answer = alice.post(path, {"kind": "noop"})
        assert (answer.status_code, answer["Location"], answer["X-API-Version"]) == (308, f"{path}/", "v1")
    assert alice.post("/api/v1/nowhere", {}).status_code == 404
    assert alice.post("/api//evil.example/jobs", {}).status_code == 404


def test_parameters_over_64_kib_are_too_large_whatever_stands_in_them():
    for kind, params in (
        ("countdown", {"x": "a" * 66_000}),
        ("site_sizes", {"addresses": ["x.example/" + "a" * 900] * 73}),
    ):
        answer = call("alice").post("jobs/", {"kind": kind, "params": params})
        assert (answer.status_code, answer.problem) == (413, "too-large")
        assert answer.json()["errors"]["params"][0].startswith("Give at most 64 KiB of parameters")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_ends_of_time_can_be_asked_for(moment):
    for name in ("since", "until"):
        assert call("vera").get(f"jobs/?{name}={moment}").status_code == 200


def test_a_list_is_a_page_and_nothing_else():
    assert call("vera").get("jobs/").json() == {"results": [], "next": None, "previous": None}


def test_the_catalogue_says_what_each_code_means():
    for code, kind in CATALOGUE.items():
        assert code == code.lower() and 400 <= kind.status < 600 and kind.title and kind.meaning.endswith(".")

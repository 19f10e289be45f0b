"""Tokens: shown once, kept as digests, never above their owner, gone at once when taken back; and share links."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.access.models import Entry, ShareLink, Token
from tasks.engine import lifecycle
from tests.support.calls import Caller, call
from tests.support.people import person

pytestmark = pytest.mark.django_db
NOBODYS = "0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a"


def using(text: str) -> Caller:
    caller = call()
    caller.headers["Authorization"] = f"Token {text}"
    return caller


def test_a_token_is_shown_once_and_stored_as_a_digest():
    answer = call("alice").post("tokens/", {"scope": "manage", "name": "shop", "days": 3})
    assert answer.status_code == 201
    shown = answer.json()
    text, row = shown["token"], Token.objects.get()
    assert len(text) == 64 and text not in repr(Token.objects.values())
    assert row.digest != text and shown["begins_with"] == text[:8]
    listed = call("alice").get("tokens/")
    assert text.encode() not in listed.content
    assert listed.json()["results"] == [{key: value for key, value in shown.items() if key != "token"}]
    assert using(text).post("jobs/", {"kind": "noop"}).status_code == 201
    assert row.expiry - timezone.now() > timedelta(days=2, hours=23)


def test_last_used_is_kept():
    program = call("alice", "read")
    assert Token.objects.get().last_used_at is None
    program.get("kinds/")
    first = Token.objects.get().last_used_at
    assert timezone.now() - first < timedelta(seconds=10)
    program.get("kinds/")
    assert Token.objects.get().last_used_at == first  # to the minute: reading must not write each time
    Token.objects.update(last_used_at=first - timedelta(minutes=2))
    program.get("kinds/")
    assert Token.objects.get().last_used_at > first


def test_an_expired_token_and_one_of_somebody_inactive_are_unknown():
    program = call("alice", "manage")
    Token.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert program.get("jobs/").status_code == 401
    Token.objects.update(expiry=None)
    assert program.get("jobs/").status_code == 200
    program.token.user.is_active = False
    program.token.user.save()
    assert program.get("jobs/").status_code == 401


def test_a_token_that_is_taken_back_is_dead_at_once():
    alice, program = call("alice"), call("alice", "manage")
    assert alice.delete(f"tokens/{program.token.uid}/").status_code == 204
    assert program.get("jobs/").status_code == 401
    assert alice.delete(f"tokens/{program.token.uid}/").status_code == 404


def test_tokens_of_others_are_unknown():
    program = call("bob", "manage")
    foreign, unknown = (call("alice").delete(f"tokens/{uid}/") for uid in (program.token.uid, NOBODYS))
    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    assert call("ada").delete(f"tokens/{program.token.uid}/").status_code == 404
    assert call("alice").get("tokens/").json()["results"] == []
    assert program.get("jobs/").status_code == 200


def test_all_at_once():
    alice, bob = call("alice", "manage"), call("bob", "read")
    call("alice", "read")
    assert alice.delete("tokens/").status_code == 204
    assert alice.get("jobs/").status_code == 401 and bob.get("jobs/").status_code == 200
    assert Token.objects.count() == 1


def test_a_token_makes_no_longer_one_and_takes_it_along():
    mother = call("alice", "manage")
    Token.objects.update(expiry=timezone.now() + timedelta(days=2))
    for days in (None, 300):
        shown = mother.post("tokens/", {"scope": "manage", "days": days}).json()
        made = Token.objects.get(uid=shown["id"])
        assert made.expiry == Token.objects.get(pk=mother.token.pk).expiry
        grandchild = using(shown["token"]).post("tokens/", {"scope": "read"}).json()
    call("alice").delete(f"tokens/{mother.token.uid}/")
    assert using(shown["token"]).get("jobs/").status_code == 401
    assert using(grandchild["token"]).get("jobs/").status_code == 401


@pytest.mark.parametrize("who", [("alice", "read"), ("alice", "submit"), ("charlie", None), ("charlie", "manage")])
def test_who_makes_no_tokens(who):
    assert call(*who).post("tokens/", {"scope": "read"}).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "scope"),
        ({"scope": "root"}, "scope"),
        ({"scope": "read", "days": 0}, "days"),
        ({"scope": "read", "days": 1.5}, "days"),
        ({"scope": "read", "user": "ada"}, "user"),
        ({"scope": "read", "name": "x" * 101}, "name"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    answer = call("alice").post("tokens/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_person_has_at_most_a_hundred():
    for _ in range(100):
        Token.objects.make(person("alice"), "read")
    answer = call("alice").post("tokens/", {"scope": "read"})
    assert (answer.status_code, answer.problem) == (409, "conflict")
    assert call("bob").post("tokens/", {"scope": "read"}).status_code == 201


def test_pages_of_tokens():
    made = sorted((str(Token.objects.make(person("alice"), "read")[0].uid) for _ in range(5)), reverse=True)
    alice = call("alice")
    first = alice.get("tokens/?limit=2").json()
    second = alice.get(first["next"]).json()
    assert [t["id"] for t in first["results"] + second["results"]] == made[:4]
    assert [t["id"] for t in alice.get(second["previous"]).json()["results"]] == made[:2]


def test_the_command_prints_the_token_as_its_only_word(capsys):
    person("alice")
    call_command("token", "alice", "--scope", "submit", "--days", "7")
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and len(said.split()) == 1
    assert using(said.strip()).post("jobs/", {"kind": "noop"}).status_code == 201
    entry = Entry.objects.get(action="change_tokens")
    assert (entry.via, entry.detail["scope"]) == ("shell", "submit")
    for words in (("nobody", "--scope", "read"), ("alice", "--scope", "read", "--days", "0")):
        with pytest.raises(CommandError):
            call_command("token", *words)


# --- share links ---------------------------------------------------------------------------------------------------


def test_a_share_link_shows_one_job_without_an_account_and_nothing_else():
    job = lifecycle.submit("keeps_a_secret", {"name": "of a customer", "password": "hunter22"}, owner=person("alice"))[
        0
    ]
    answer = call("alice").post(f"jobs/{job.uid}/share/", {"hours": 2})
    assert answer.status_code == 201
    url = answer.json()["url"].removeprefix("http://testserver")
    visitor = call()
    page, state = visitor.get(url), visitor.get(f"{url}state/")
    assert page.status_code == state.status_code == 200
    assert (state.json()["state"], state.json()["id"]) == ("queued", str(job.uid))
    for word in (b"alice", b"of a customer", b"hunter22"):
        assert word not in page.content + state.content
    assert page["X-Frame-Options"] == "DENY" and "frame-ancestors 'none'" in page["Content-Security-Policy"]
    for path in (f"/jobs/{job.uid}/", f"/api/v1/jobs/{job.uid}/"):
        assert visitor.get(path).status_code in (302, 401)
    assert visitor.post(url).status_code == 405


def test_a_share_link_ends():
    job = lifecycle.submit("noop", {}, owner=person("alice"))[0]
    alice = call("alice")
    links = [alice.post(f"jobs/{job.uid}/share/", {}).json() for _ in range(3)]
    urls = [link["url"].removeprefix("http://testserver") for link in links]
    ShareLink.objects.filter(uid=links[0]["id"]).update(expires_at=timezone.now())
    assert alice.delete(f"jobs/{job.uid}/share/{links[1]['id']}/").status_code == 204
    assert alice.delete(f"jobs/{job.uid}/share/{links[1]['id']}/").status_code == 404
    assert [call().get(url).status_code for url in urls] == [404, 404, 200]
    assert call().get(urls[2][:-2] + ("A" if urls[2][-2] != "A" else "B") + "/").status_code == 404
    listed = alice.get(f"jobs/{job.uid}/share/")
    assert [link["id"] for link in listed.json()["results"]] == [link["id"] for link in links][::-1]
    assert urls[2].encode() not in listed.content
    person("alice").groups.clear()  # a link never shows more than its maker might
    assert call().get(urls[2]).status_code == 404


def test_a_share_link_may_be_framed_by_the_origins_named_in_it():
    job = lifecycle.submit("noop", {}, owner=person("alice"))[0]
    body = {"framed_by": ["https://Shop.example", "http://localhost:8080"]}
    url = call("alice").post(f"jobs/{job.uid}/share/", body).json()["url"]
    page = call().get(url)
    assert "frame-ancestors https://shop.example http://localhost:8080;" in page["Content-Security-Policy"] + ";"
    assert "X-Frame-Options" not in page.headers
    assert "script-src 'self'" in page["Content-Security-Policy"]
    for wrong in ("*", "https://*", "https://a.example; script-src *", "shop.example", "https://a.example/x", "data:x"):
        answer = call("alice").post(f"jobs/{job.uid}/share/", {"framed_by": [wrong]})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["framed_by.0"])


def test_who_shares():
    job = lifecycle.submit("noop", {}, owner=person("alice"))[0]
    for who in (("vera", None), ("charlie", None), ("alice", "read")):
        assert call(*who).post(f"jobs/{job.uid}/share/", {}).status_code == 403
    assert call("bob", "submit").post(f"jobs/{job.uid}/share/", {}).status_code == 404
    assert call("alice", "submit").post(f"jobs/{job.uid}/share/", {}).status_code == 201


@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("GET", "log/"), ("POST", "cancel/"), ("POST", "retry/"), ("POST", "share/")]
)
def test_a_foreign_job_is_as_unknown_as_none_and_asks_the_database_as_much(method, rest):
    foreign = lifecycle.submit("noop", {}, owner=person("bob"))[0].uid
    alice, seen = call("alice", "submit"), []
    alice.get("kinds/")  # the last use of the token is written now
    for uid in (foreign, uuid4()):
        with CaptureQueriesContext(connection) as asked:
            answer = alice.send(method, f"jobs/{uid}/{rest}")
        seen.append((answer.status_code, answer.content, [query["sql"].split()[0] for query in asked]))
    assert seen[0] == seen[1] and seen[0][0] == 404

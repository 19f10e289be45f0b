"""Failures in groups, on the page and over the API: counted, marked as handled, back when they fail again."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from tasks.access.models import Entry
from tasks.engine import lifecycle, releases
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.failures.models import Handled, Snoozed
from tasks.kinds import upkeep
from tasks.search import finder
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db


class GatewayError(Exception):
    """Of a bank."""


def failed(error: Exception, kind: str = "noop") -> Job:
    """As if the kind's own code had raised it, always in the same line."""
    job = lifecycle.submit(kind, {}, owner=person("alice"))[0]
    return lifecycle.fail(lifecycle.claim(job.uid, "w@h", 1), Failure.of(error))


def listed(query: str = "") -> list[dict[str, Any]]:
    return call("vera").get(f"failures/{query}").json()["results"]


def page(query: str = "", name: str = "bob") -> str:
    client = Client()
    client.force_login(person(name))
    answer = client.get(f"/failures/{query}")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def send(address: str, group: dict[str, Any], name: str = "bob") -> Any:
    client = Client()
    client.force_login(person(name))
    form = {"kind": group["kind"], "key": group["key"], "until": group["last_at"]}
    return client.post(f"/failures/{address}/", form, follow=True)


def test_failures_that_differ_in_numbers_and_names_are_one_group() -> None:
    first = failed(GatewayError("502 from 'bank a' for invoice 17"))
    last = failed(GatewayError("503 from 'bank b' for invoice 18"))
    other = failed(GatewayError("502 from 'bank a' for invoice 19"), "countdown")
    groups = listed()
    assert [(group["kind"], group["count"]) for group in groups] == [("countdown", 1), ("noop", 2)]
    group = groups[1]
    assert group["pattern"] == "GatewayError: … from … for invoice …"
    assert group["error"] == "GatewayError: 503 from 'bank b' for invoice 18"
    assert (group["last_job"], groups[0]["last_job"]) == (str(last.uid), str(other.uid))
    assert group["first_at"] < group["last_at"]
    assert first.error_key == last.error_key == group["key"]
    assert [group["kind"] for group in listed("?kind=noop")] == ["noop"]
    text = page()
    assert "2 ×" in text and "<b>GatewayError</b>" in text and "… from … for invoice …" in text
    assert "Latest: GatewayError: 503 from 'bank b' for invoice 18" in text
    assert f"/jobs/{last.uid}/" in text


def test_a_handled_group_is_elsewhere_and_comes_back_when_it_fails_again() -> None:
    failed(ValueError("1"))
    failed(KeyError("x"))
    group = next(each for each in listed() if "Value" in each["error"])
    assert "Marked as handled." in send("handle", group).content.decode()
    assert "ValueError" not in page() and "KeyError" in page()
    assert "handled by bob" in page("?show=handled") and "KeyError" not in page("?show=handled")
    assert [each["handled_by"] for each in listed("?handled=true")] == ["bob"]
    assert [each["handled_by"] for each in listed("?handled=false")] == [None]
    assert len(listed()) == 2, "without the filter both are there"
    failed(ValueError("2"))
    assert "ValueError" in page() and "ValueError" not in page("?show=handled")
    assert [each["count"] for each in listed("?handled=false") if "Value" in each["error"]] == [2]
    assert listed("?handled=true") == []


def test_a_failure_that_the_page_did_not_show_yet_is_not_handled_with_the_others() -> None:
    failed(ValueError("1"))
    seen = listed()[0]
    failed(ValueError("2"))
    send("handle", seen)
    assert listed("?handled=true") == []


def test_a_mark_can_be_taken_away_and_both_are_in_the_audit_trail() -> None:
    failed(ValueError("1"))
    group = listed()[0]
    send("handle", group)
    assert "Reopened." in send("reopen", group).content.decode()
    assert "ValueError" in page()
    reported = Entry.objects.filter(action="change_rows").order_by("at").values_list("who", "target", "outcome")
    assert list(reported) == [("bob", "failures of noop", "done")] * 2


def test_who_may() -> None:
    failed(ValueError("1"))
    group = listed()[0]
    for name in ("vera", "charlie"):
        assert send("handle", group, name).status_code == 403
    assert "Mark as handled" not in page(name="vera") and "Retry all" not in page(name="vera")
    assert not Handled.objects.exists()


def test_a_group_that_is_not_there_is_said_to_be_so() -> None:
    for key, kind in (("k", "noop"), ("", "noop"), ("k", "")):
        answer = send("handle", {"kind": kind, "key": key, "last_at": "nonsense"})
        assert "There is no such group among the newest failures." in answer.content.decode()
    assert not Handled.objects.exists()


def test_a_program_does_the_same() -> None:
    failed(ValueError("1"))
    failed(ValueError("2"))
    group, bob = listed()[0], call("bob", "manage")
    asked = {"kind": group["kind"], "key": group["key"]}
    answer = bob.post("failures/handle/", asked | {"until": group["last_at"]})
    assert (answer.status_code, answer.json()["handled_by"]) == (200, "bob")
    assert bob.post("failures/reopen/", asked).json()["handled_by"] is None
    assert bob.post("failures/handle/", asked).json()["handled_by"] == "bob", "until now, if nothing is said"
    assert bob.post("failures/handle/", {"kind": "noop", "key": "other"}).problem == "not-found"
    assert bob.post("failures/handle/", {"kind": "noop"}).status_code == 400
    assert bob.get("failures/?handled=perhaps").status_code == 400
    body = {"action": "retry", "filter": {"kind": "noop", "failure": group["key"]}, "dry_run": True}
    assert bob.post("bulk/", body).json() == {"count": 2, "exact": True}
    assert len(bob.get(f"jobs/?failure={group['key']}").json()["results"]) == 2
    assert bob.get("jobs/?failure=a+b").status_code == 400


def test_all_of_a_group_are_tried_again_after_a_look_at_the_count() -> None:
    for n in range(3):
        failed(ValueError(str(n)))
    failed(KeyError("x"))
    links = [found for found in re.findall(r'href="(/jobs/bulk/[^"]+)"', page()) if "retry" in found]
    assert len(links) == 2
    counts = []
    for address in links:
        client = Client()
        client.force_login(person("bob"))
        text = client.get(address).content.decode()
        counts.append(re.search(r"<b>(\d+)</b> jobs? to retry", text)[1])
        assert "with the same pattern of error" in text
        assert parse_qs(urlsplit(address).query)["q"][0].startswith("state:failed kind:noop failure:")
    assert sorted(counts) == ["1", "3"]


def test_failures_without_a_pattern_are_a_group_too() -> None:
    job = lifecycle.submit("noop", {}, owner=person("alice"))[0]
    lifecycle.fail(lifecycle.claim(job.uid, "w@h", 1), Failure("broke"))
    assert "failure%3Anone" in page()
    assert len(call("vera").get("jobs/?failure=none").json()["results"]) == 1


def test_it_looks_so_far_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "FIRST", 2)
    monkeypatch.setattr(finder, "BUDGET", 3)
    for error in (KeyError("old"), ValueError("1"), ValueError("2"), ValueError("3"), TypeError("4"), TypeError("5")):
        failed(error)
    text = page()
    assert "TypeError" in text and "ValueError" not in text, "the first look is a short one"
    assert "Searched failures back to <time" in text
    text = page(further(text))
    assert "ValueError" in text and "3 ×" in text and "TypeError" not in text and "KeyError" not in text
    last = page(further(text))
    assert "KeyError" in last and "Search older" not in last
    assert call("vera").get("failures/").json()["looked"]["complete"] is False
    client = Client()
    client.force_login(person("bob"))
    form = dict(re.findall(r'name="(kind|key|until)" value="([^"]*)"', last))
    client.post("/failures/handle/", form)
    assert Handled.objects.get().key == form["key"], "a group that stands on an older page is handled too"


def further(text: str) -> str:
    return re.search(r'href="(\?older=[^"]+)">Search older', text)[1]


def test_marks_go_when_the_failures_they_are_about_are_gone(settings: Any) -> None:
    old = timezone.now() - timedelta(days=settings.SIGNALBOX_KEEP_FAILED_D + 1)
    Handled.objects.create(kind="noop", key="old", until=old, at=old, by="bob")
    Handled.objects.create(kind="noop", key="new", until=timezone.now(), at=old, by="bob")
    upkeep.prune()
    assert [mark.key for mark in Handled.objects.all()] == ["new"]


def test_groups_are_merged_and_split_by_hand_and_new_failures_follow() -> None:
    """Two exceptions of one outage are one trouble: counted, handled, searched for and tried again as one."""
    for error in (GatewayError("no answer"), ConnectionError("reset"), ConnectionError("reset")):
        failed(error)
    reset, gateway = listed()
    assert (reset["count"], gateway["count"]) == (2, 1)
    client = Client()
    client.force_login(person("bob"))
    form = {"kind": "noop", "key": gateway["key"], "into": reset["key"]}
    assert "The groups were merged." in client.post("/failures/merge/", form, follow=True).text
    [group] = listed()
    assert (group["key"], group["count"]) == (reset["key"], 3)
    assert group["keys"] == [reset["key"], gateway["key"]]
    failed(GatewayError("no answer"))
    [group] = listed()
    assert group["count"] == 4
    retry = next(each for each in re.findall(r'href="(/jobs/bulk/[^"]+)"', page()) if "retry" in each)
    assert re.search(r"<b>(\d+)</b> jobs? to retry", client.get(unescape(retry)).text)[1] == "4"
    send("handle", group)
    assert [each["handled_by"] for each in listed("?handled=true")] == ["bob"]
    assert "groups were split" in client.post("/failures/split/", form, follow=True).text
    assert sorted(each["count"] for each in listed()) == [2, 2]
    assert "Nothing was merged" in unescape(client.post("/failures/split/", form, follow=True).text)
    reported = (
        Entry.objects.filter(action="change_rows", outcome="done").order_by("at").values_list("detail", flat=True)
    )
    assert reported[0]["into"] == reset["key"]


def test_a_program_merges_and_splits() -> None:
    for error in (GatewayError("no answer"), ConnectionError("reset"), KeyError("x")):
        failed(error)
    failed(ValueError("1"), "countdown")
    other, key, reset, gateway = listed()
    bob = call("bob", "manage")
    answer = bob.post(f"failures/{gateway['id']}/merge/", {"into": reset["id"]})
    assert (answer.status_code, answer.json()["id"], answer.json()["count"]) == (200, reset["id"], 2)
    answer = bob.post(f"failures/{reset['id']}/merge/", {"into": key["id"]})
    assert (answer.json()["id"], answer.json()["count"]) == (key["id"], 3), "all that was in it moves along"
    assert bob.post(f"failures/{reset['id']}/merge/", {"into": key["id"]}).problem == "conflict"
    assert bob.post(f"failures/{key['id']}/merge/", {"into": other["id"]}).status_code == 400
    assert bob.post(f"failures/{key['id']}/merge/", {"into": "x:noop"}).problem == "not-found"
    assert call("vera").post(f"failures/{key['id']}/split/", {}).status_code == 403
    assert bob.post(f"failures/{gateway['id']}/split/", {}).json()["count"] == 1
    assert len(listed()) == 4


def test_a_group_says_in_which_release_it_was_seen_first_and_last(settings) -> None:
    for version in ("1.0", "1.1", "1.2"):
        releases.current.cache_clear()
        settings.SIGNALBOX_RELEASE = version
        failed(GatewayError("502"))
    releases.current.cache_clear()
    (group,) = listed()
    assert (group["first_release"], group["last_release"]) == ("1.0", "1.2")
    assert call("vera").get(f"failures/{group['id']}/").json() == group
    assert "release 1.0 to 1.2" in page()
    assert call("vera").get("failures/nothing:noop/").status_code == 404


def test_a_snoozed_group_is_open_again_when_it_fails_again() -> None:
    failed(GatewayError("502"))
    (group,) = listed("?handled=false")
    assert call("vera").post(f"failures/{group['id']}/snooze/", {}).status_code == 403
    snoozed = call("bob").post(f"failures/{group['id']}/snooze/", {}).json()
    assert snoozed["snoozed_until"] and snoozed["snoozed_by"] == "bob" and snoozed["handled_at"] is None
    assert listed("?handled=false") == [] and "snoozed by bob" in page("?show=handled")
    failed(GatewayError("503"))
    (again,) = listed("?handled=false")
    assert again["snoozed_until"] is None and again["count"] == 2


def test_a_group_that_is_snoozed_until_a_moment_waits_for_it() -> None:
    failed(GatewayError("502"))
    (group,) = listed()
    until = (timezone.now() + timedelta(hours=2)).isoformat()
    path = f"failures/{group['id']}/snooze/"
    assert call("bob").post(path, {"until": "2020-01-01T00:00:00Z"}).status_code == 400
    assert call("bob").post(path, {"until": until}).status_code == 200
    failed(GatewayError("503"))
    assert listed("?handled=false") == []
    Snoozed.objects.update(until=timezone.now())
    assert len(listed("?handled=false")) == 1


def test_a_snooze_by_the_page_ends_with_open_again() -> None:
    failed(GatewayError("502"))
    (group,) = listed()
    send("snooze", group)
    assert listed("?handled=false") == []
    send("reopen", group)
    assert len(listed("?handled=false")) == 1 and not Snoozed.objects.exists()

"""A job's page and what it asks for later: light whatever the job holds, honest about secrets, and only for who may."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient, Client

from tasks.access.models import Entry, ShareLink
from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Attempt, Job, LogLine
from tasks.engine.report import Report
from tasks.queries import details
from tasks.web import json_tree
from tests.support.people import person
from tests.web.test_pages import browser, made

pytestmark = pytest.mark.django_db
BODY = "All the words of a page. " * 2_500
RESULT = {"n": 3, "body": BODY, "list": list(range(30)), "a/b~": {"": [None, {"deep": 1}]}}


def succeeded(result: Any) -> Job:
    job = lifecycle.claim(made(seconds=1, kind="countdown").uid, "w1@here", 1)
    return lifecycle.succeed(job, result, Report().take())


def get(job: Job, path: str = "", who: str = "vera", accept: str = "*/*") -> Any:
    return browser(who).get(f"/jobs/{job.uid}/{path}", headers={"accept": accept})


def test_a_long_value_is_not_shipped_with_the_page_but_stands_at_an_address_of_its_own() -> None:
    job = succeeded(RESULT)
    page = get(job).content.decode()
    assert len(page) < 60_000
    assert page.count("All the words of a page.") <= 4
    assert "Show 61 KiB of text" in page
    address = "result/?at=/body"
    assert f'href="/jobs/{job.uid}/{address}"' in page
    text = get(job, address, accept="text/html")
    assert (text.content.decode(), text["Content-Type"]) == (BODY, "text/plain; charset=utf-8")
    assert text["X-Content-Type-Options"] == "nosniff"
    assert get(job, address, accept="application/json").json() == BODY
    assert json.loads(get(job, "result/").content) == RESULT
    assert get(job, "result/?at=/a~1b~0//1/deep").content == b"1"
    assert get(job, "params/?at=/seconds").content == b"1"
    for nowhere in ("/nothing", "body", "/list/30", "/list/-1", "/n/1", "/body/0"):
        assert get(job, f"result/?at={nowhere}").status_code == 404


def test_a_tree_ships_at_most_its_budget_and_says_what_is_left() -> None:
    def shipped(node: json_tree.Node) -> int:
        own = len(node.get("text", ""))
        return own + sum(len(name) + shipped(item) for name, item in node.get("entries", ()))

    many = json_tree.build_tree({f"name {n}": "x" * 3_000 for n in range(20)}, "/at/")
    assert 10_000 < shipped(many) <= json_tree.BUDGET + 1_000
    assert [node["href"] for _, node in many["entries"][-2:]] == ["/at/?at=/name%2018", "/at/?at=/name%2019"]
    numbers = json_tree.build_tree(list(range(8_000)), "/at/")
    assert numbers["rest"] == {"words": f"{8_000 - len(numbers['entries']):,} more", "href": "/at/?at="}
    assert json_tree.build_tree("x" * 70_000, "/at/") == {"href": "/at/?at=", "size": "68 KiB", "preview": ""}
    assert shipped(json_tree.build_tree("x" * 70_000)) == 70_000, "without an address for the rest, all of it"


def test_a_tree_shows_numbers_names_and_depth_as_they_are() -> None:
    deep = eval("[" * 190 + "1" + "]" * 190)
    job = succeeded({"b": [9007199254740993, 1.0, 1e16, -0.0], "30": "<i>", "20": True, "deep": deep})
    page = get(job).content.decode()
    for number in ("9007199254740993", "1.0", "1e+16", "-0.0"):
        assert f'data-type="number">{number}</span>' in page
    assert page.index("<dt>b</dt>") < page.index("<dt>30</dt>") < page.index("<dt>20</dt>"), "in their order"
    assert "&lt;i&gt;" in page and "<i>" not in page
    further = "/deep" + "/0" * (json_tree.DEEPEST - 1)
    assert f'href="/jobs/{job.uid}/result/?at={further}"' in page
    onward = get(job, f"result/?at={further}&as=tree").content.decode()
    assert f'href="/jobs/{job.uid}/result/?at={further}{"/0" * json_tree.DEEPEST}"' in onward
    assert get(job, "result/?as=tree").content.decode() in page
    assert get(job, f"result/?at={further}").content.decode().startswith("[\n")


def test_secrets_are_in_none_of_it() -> None:
    job = made("keeps_a_secret", name="n", password="correct horse battery")
    for path in ("", "params/", "lines/"):
        assert b"correct horse" not in get(job, path, "ada").content
    assert b"encrypted" in get(job).content


@pytest.mark.parametrize("path", ["", "params/", "result/", "attempts/1/", "lines/", "log/"])
def test_only_those_who_see_jobs_see_what_belongs_to_one(path: str) -> None:
    job = succeeded(None)
    assert get(job, path, "charlie").status_code == 403
    assert browser().get(f"/jobs/{job.uid}/{path}").status_code == 302
    assert browser("vera").post(f"/jobs/{job.uid}/{path}").status_code == 405
    assert browser("vera").get(f"/jobs/01999999-0000-7000-8000-000000000000/{path}").status_code == 404


def log_of(job: Job, lines: int) -> None:
    levels = ["info", "debug", "info", "warning", "info", "error"]
    LogLine.objects.bulk_create(
        LogLine(job=job, seq=n, at=job.created_at, level=levels[n % 6], text=f"Line <{n}> ends.")
        for n in range(1, lines + 1)
    )
    Job.objects.filter(pk=job.pk).update(log_seq=lines)


@pytest.mark.django_db(transaction=True)
def test_the_whole_log_is_a_file_that_is_read_in_pieces(django_assert_max_num_queries: Any) -> None:
    job = made()
    log_of(job, 2_500)
    client = AsyncClient()
    client.force_login(person("vera"))

    async def fetched() -> tuple[Any, list[bytes]]:
        answer = await client.get(f"/jobs/{job.uid}/log/")
        pieces = [piece async for piece in answer.streaming_content]
        await sync_to_async(connections.close_all)()
        return answer, pieces

    answer, pieces = asyncio.run(fetched())
    lines = b"".join(pieces).decode().splitlines()
    assert [piece.count(b"\n") for piece in pieces] == [1_000, 1_000, 500]
    assert (len(lines), lines[0].split()[1:], lines[-1].endswith("Line <2500> ends.")) == (
        2_500, ["debug", "Line", "<1>", "ends."], True,
    )  # fmt: skip
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="noop-{str(job.uid)[-6:]}.log"'
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_earlier_lines_are_had_by_level_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    job = made()
    log_of(job, 1_200)
    page = get(job).content.decode()
    assert page.count('class="line"') == 500 + 1, "the last ones, and the template"
    assert "Line &lt;1200&gt; ends." in page
    before = get(job, "lines/?before=701").json()
    assert [before["lines"][0]["seq"], before["lines"][-1]["seq"], before["before"]] == [201, 700, 201]
    first = get(job, "lines/?before=201").json()
    assert (len(first["lines"]), first["before"]) == (200, None)
    bad = get(job, "lines/?level=warning&before=701").json()["lines"]
    assert {line["level"] for line in bad} == {"warning", "error"}
    assert [line["seq"] for line in get(job, "lines/?q=LINE <77").json()["lines"]] == [77, *range(770, 780)]
    monkeypatch.setattr("tasks.jobs.job.LOOKED", 100)
    assert get(job, "lines/?q=<77>&before=701").json() == {"lines": [], "before": 601}
    assert get(job, "lines/?before=nonsense&level=loud").json()["lines"][-1]["seq"] == 1_200


def test_run_again_makes_one_copy_with_the_same_parameters() -> None:
    job, client = made("countdown", seconds=42, steps=7), browser("bob")
    Job.objects.filter(pk=job.pk).update(priority=8)
    address = f"/jobs/{job.uid}/again/"
    first, again = (client.post(address, {"once": "abc"})["Location"] for _ in range(2))
    assert first == again
    copy = Job.objects.latest("id")
    assert (copy.params, copy.copy_of, copy.owner, copy.priority, copy.state) == (
        {"seconds": 42, "steps": 7, "fail": False}, job.uid, person("bob"), 8, "queued",
    )  # fmt: skip
    assert first == f"/jobs/{copy.uid}/"
    assert "/again/" not in browser("vera").get(f"/jobs/{job.uid}/").content.decode()
    assert browser("vera").post(address).status_code == 403
    assert client.get(address).status_code == 405
    assert Client(enforce_csrf_checks=True).post(address).status_code == 403
    assert Job.objects.count() == 2


def test_what_cannot_be_run_again_by_one_press_is_asked_for_in_the_form() -> None:
    client, secret = browser("bob"), made("keeps_a_secret", name="kept", password="correct horse battery")
    assert "/again/" not in client.get(f"/jobs/{secret.uid}/").content.decode()
    page = client.post(f"/jobs/{secret.uid}/again/", follow=True).content.decode()
    assert "Secrets are not copied" in page
    assert 'value="kept"' in page
    assert "correct horse" not in page
    changed = made("countdown", seconds=42)
    Job.objects.filter(pk=changed.pk).update(params={"minutes": 3})
    page = client.post(f"/jobs/{changed.uid}/again/", follow=True).content.decode()
    assert "are no longer valid" in page
    assert Job.objects.count() == 2


def test_run_again_counts_against_the_quota(settings: Any) -> None:
    settings.SIGNALBOX_SUBMITS_PER_USER = 1
    job, client = made(owner="bob"), browser("bob")
    assert "at most 1 submit a minute" in client.post(f"/jobs/{job.uid}/again/", follow=True).content.decode()
    assert Job.objects.count() == 1


def test_what_people_did_stands_on_the_page() -> None:
    client = browser("bob")
    client.post("/submit/countdown/", {"p-seconds": "600"})
    job = Job.objects.get()
    client.post(f"/jobs/{job.uid}/cancel/", {"reason": "<wrong>"})
    client.post(f"/jobs/{job.uid}/take-back/")
    client.post(f"/jobs/{job.uid}/share/", {"hours": "24"})
    client.post(f"/jobs/{job.uid}/share/{ShareLink.objects.get().uid}/delete/")
    client.post(f"/jobs/{job.uid}/retry/")  # refused: it waits
    reported = details.detail(job, people=True)["trail"]
    assert [(verb["who"], verb["action"], verb["note"]) for verb in reported] == [
        ("bob", "submit", ""), ("bob", "cancel", "<wrong>"), ("bob", "take_back", ""), ("bob", "share", ""),
        ("bob", "end_share", ""),
    ]  # fmt: skip
    page = get(job).content.decode()
    for words in ("submitted", "cancelled", ": &lt;wrong&gt;", "undid the cancel", "revoked a share link"):
        assert words in page
    assert "127.0.0.1" not in page, "from where is for admins to read"
    assert f"/audit/?target={job.uid}" not in page
    assert f"/audit/?target={job.uid}" in get(job, who="ada").content.decode()


def test_a_cancel_without_an_entry_is_known_from_the_row() -> None:
    job = lifecycle.cancel(made().uid, person("bob"), "part of a bulk action")
    reported = details.detail(job, people=True)["trail"]
    assert [(verb["who"], verb["action"], verb["note"]) for verb in reported] == [
        ("bob", "cancel", "part of a bulk action")
    ]


def test_the_neighbours_of_a_job() -> None:
    job = made("serial", feed="a")
    child = lifecycle.submit("noop", {}, parent=job.uid)[0]
    copy = lifecycle.submit("serial", {"feed": "a"}, copy_of=job)[0]
    other = made("serial", feed="b")
    page = get(job).content.decode()
    assert [str(each.uid) in page for each in (child, copy, other)] == [True, True, False]
    for title in (">Started</h3>", "Copies", "Same serial key"):
        assert title in page
    assert ">Started by</h3>" in get(child).content.decode()
    assert "Copy of" in get(copy).content.decode()


def test_attempts_stand_on_one_line_of_time() -> None:
    job = lifecycle.submit("noop", {})[0]
    for n in range(3):
        job = lifecycle.claim(job.uid, "w1@here", 1)
        Job.objects.filter(pk=job.pk).update(started_at=job.created_at + timedelta(seconds=100 * n))
        job.refresh_from_db()
        lifecycle.retry_later(job, 0, Failure("GatewayError: 502", f"Traceback {n}", "k"))
        Attempt.objects.filter(number=n + 1).update(finished_at=job.created_at + timedelta(seconds=100 * n + 50))
        lifecycle.wake()
    page = get(job).content.decode()
    assert 'x="0" width="200"' in page
    assert 'x="400" width="200"' in page
    assert 'x="800" width="200"' in page
    assert get(job, "attempts/2/").content == b"Traceback 1"
    assert get(job, "attempts/9/").status_code == 404


def test_share_links_are_made_shown_once_listed_and_taken_back() -> None:
    job, client = made(), browser("bob")
    address = f"/jobs/{job.uid}/share/"
    page = client.post(address, {"hours": "8", "origins": "https://Shop.example\nhttp://127.0.0.1:8080"}, follow=True)
    link = ShareLink.objects.get()
    text = page.content.decode()
    shown = text.split('data-part="address">')[1].split("<")[0]
    assert shown.startswith("http://testserver/share/")
    assert Client().get(shown).status_code == 200
    assert "embeddable in https://shop.example" in text
    assert 7.9 < (link.expires_at - link.created_at).total_seconds() / 3600 <= 8
    assert 'data-part="address"' not in client.get(address).content.decode(), "only once"
    assert link.framed_by == ["https://shop.example", "http://127.0.0.1:8080"]
    assert browser("vera").post(f"{address}{link.uid}/delete/").status_code == 403
    answer = client.post(f"{address}{link.uid}/delete/", follow=True).content.decode()
    assert "Revoked" in answer
    assert Client().get(shown).status_code == 404
    assert Job.objects.count() == 1
    trail = Entry.objects.filter(action="share").order_by("id").values_list("who", "outcome")
    assert list(trail) == [("bob", "done"), ("vera", "refused"), ("bob", "done")]


def test_what_is_no_origin_makes_no_link() -> None:
    job, client = made(), browser("bob")
    for wrong in (
        "shop.example",
        "https://shop.example/path",
        "https://*.example",
        "javascript:alert(1)",
        "https://a;b",
    ):
        answer = client.post(f"/jobs/{job.uid}/share/", {"hours": "8", "origins": wrong})
        assert answer.status_code == 422
        assert "Give one origin per line" in answer.content.decode()
    assert client.post(f"/jobs/{job.uid}/share/", {"hours": "999999"}).status_code == 422
    assert browser("vera").get(f"/jobs/{job.uid}/share/").status_code == 403
    assert ShareLink.objects.count() == 0

"""The Jobs page as the server paints it: what the box understands, pages by links, and bulk actions asked for first."""

import csv
import io
import json
import re
import time
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from tasks.access.models import Entry
from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job, instant
from tasks.search import bulk, export, finder, views
from tasks.search.language import Query, edited
from tasks.search.wording import describe_query
from tests.support.people import person
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db


def browser(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def made(kind: str = "noop", owner: str = "alice", **params: Any) -> Job:
    return lifecycle.submit(kind, params, owner=person(owner))[0]


def failed(error: str = "ValueError: no", key: str = "k") -> Job:
    return lifecycle.fail(lifecycle.claim(made().uid, "w@h", 1), Failure(error, "", key))


def page(address: str, name: str = "vera") -> str:
    answer = browser(name).get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(text: str) -> list[str]:
    return re.findall(r'data-job="([0-9a-f-]{36})"', text)


def link(text: str, words: str) -> str:
    """The address behind these words; empty if there is no such link."""
    found = re.search(rf'<a [^>]*href="([^"]+)"[^>]*>{words}</a>', text)
    return unescape(found[1]) if found else ""


def uids(*jobs: Job) -> list[str]:
    return [str(job.uid) for job in jobs]


def test_the_box_finds_and_shows_what_was_typed() -> None:
    mine, theirs, broken = made(owner="vera"), made(owner="bob"), failed("GatewayError: 502 <bank>")
    assert shown(page("/jobs/")) == uids(broken, theirs, mine)
    text = page("/jobs/?q=state:failed+%22502+%3Cbank%3E%22")
    assert shown(text) == uids(broken)
    assert 'value="state:failed &quot;502 &lt;bank&gt;&quot;"' in text
    assert shown(page("/jobs/?q=owner:me")) == uids(mine)
    assert "No match" in page("/jobs/?q=owner:nobody")


def test_the_links_of_states_change_the_same_search() -> None:
    text = page("/jobs/?q=state:failed+kind:noop+words")
    assert link(text, "Running") == "/jobs/?q=kind%3Anoop+words+state%3Arunning"
    assert link(text, "All") == "/jobs/?q=kind%3Anoop+words"
    assert re.findall(r'aria-current="true">(\w+)<', text) == ["Failed"]
    assert re.findall(r'aria-current="true">(\w+)<', page("/jobs/?q=kind:noop")) == ["All"]
    assert re.findall(r'aria-current="true">(\w+)<', page("/jobs/?q=state:failed,queued")) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", "state:queued"),
        ("State:failed x state:running", "x state:queued"),
        ('"state:failed" "a b"', '"state:failed" "a b" state:queued'),
        ('state:"failed" owner:"anna maria"', 'owner:"anna maria" state:queued'),
    ],
)
def test_a_filter_is_replaced_and_the_rest_stays(text: str, left: str) -> None:
    assert edited(text, "state", "queued") == left


def test_what_is_not_understood_is_said_beside_the_box_and_nothing_typed_is_lost() -> None:
    made()
    for typed, said in (
        ("state:faild x", "There is no state &#x27;faild&#x27;."),
        ("stat:failed", "Did you mean state:failed?"),
        ("since:tomorrow kind:noop", "since: takes 30m, 2h, 7d"),
        ("since:99999999w", "since: takes"),
        ('kind:noop "open', "A quotation mark is missing."),
    ):
        answer = browser("vera").get("/jobs/", {"q": typed})
        text = answer.content.decode()
        assert answer.status_code == 200
        assert said in text and 'aria-invalid="true"' in text
        assert f'value="{typed.replace(chr(34), "&quot;")}"' in text
        assert shown(text) == []


def test_links_with_filters_by_name_lead_to_the_same_in_the_box() -> None:
    answer = browser("vera").get("/jobs/?state=failed&state=queued&q=x&kind=noop")
    assert answer["Location"] == "/jobs/?q=state%3Afailed+state%3Aqueued+kind%3Anoop+x"


def test_pages_by_links_forth_and_back_also_when_the_row_between_them_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE", 2)
    jobs = []
    for _ in range(5):  # each in a millisecond of its own: the order within one is chance
        jobs.append(made())
        time.sleep(0.002)
    newest_first, seen, address = uids(*reversed(jobs)), [], "/jobs/?q=kind:noop"
    while address:
        text = page(address)
        seen.append(shown(text))
        before, address = address, link(text, "Older jobs")
    assert [uid for uids_of_page in seen for uid in uids_of_page] == newest_first
    assert "No older match" in text
    assert shown(page(link(text, "Newer jobs"))) == seen[-2]
    Job.objects.filter(uid=newest_first[3]).delete()
    assert shown(page(before)) == newest_first[4:]
    assert browser("vera").get("/jobs/?older=nonsense").status_code == 404


def test_a_search_says_how_far_back_it_looked_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "LOOK_S", 0)
    monkeypatch.setattr(finder, "STEP", 4)
    needle = failed("the needle")
    for _ in range(5):
        made()
    text = page("/jobs/?q=needle")
    assert shown(text) == [] and "No match so far" in text
    assert "Searched back to <time" in text
    assert shown(page(link(text, "Search older jobs"))) == uids(needle)


def test_the_page_brings_its_suggestions() -> None:
    made(owner="bob")
    text = page("/jobs/")
    said = set(re.findall(r'<option value="([^"]+)"', text))
    assert {"state:", "state:failed", "kind:noop", "queue:default", "owner:me", "owner:bob", "since:1h"} <= said
    assert "owner:vera" not in said, "somebody without jobs is nobody's business"


def test_the_page_suggests_names_and_values_of_parameters_but_no_secrets() -> None:
    lifecycle.submit("keeps_a_secret", {"name": "till 4", "password": "opensesame"}, owner=person("bob"))
    said = set(re.findall(r'<option value="([^"]+)"', page("/jobs/")))
    assert {"args.", "args.name:", "args.seconds:", "args.fail:true", "args.name:&quot;till 4&quot;"} <= said
    assert not [word for word in said if "password" in word or "opensesame" in word or "•" in word]


def test_the_page_says_how_it_read_what_was_typed() -> None:
    text = page("/jobs/?q=-state:failed+order_id:8812+Köln")
    assert "Jobs with “order_id:8812” and “Köln”, but not those that are failed." in text
    assert "“order_id:8812” was taken for a word" in text and "args.order_id:8812" in text


def test_jobs_by_the_time_they_took() -> None:
    now = timezone.now()
    long, short = (
        Job.objects.create(kind="noop", queue="default", state="succeeded", created_at=now,
                           started_at=now - timedelta(seconds=seconds), finished_at=now) for seconds in (9, 1)
    )  # fmt: skip
    made()
    assert shown(page("/jobs/?sort=took")) == uids(long, short)
    text = page("/jobs/?q=kind:noop&sort=took")
    assert shown(text) == uids(long, short) and link(text, "Newest first") == "/jobs/?q=kind%3Anoop"
    assert "sort=took" in link(text, "Failed")


def read_file(name: str, address: str) -> str:
    answer = browser(name).get(address)
    assert answer.status_code == 200

    async def whole() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(whole)().decode()


@pytest.mark.django_db(transaction=True)
def test_a_search_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "STEP", 2)
    jobs = [made(owner="bob") for _ in range(5)]
    Job.objects.filter(pk=jobs[2].pk).update(title="=HYPERLINK(1)", error='-1\n2, "x"')
    torn = {"title": "a;=HYPERLINK(1)", "error": "b\t=HYPERLINK(1)"}
    Job.objects.filter(pk=jobs[1].pk).update(**torn)
    made("countdown")
    text = page("/jobs/?q=kind:noop")
    for form, kinds in (("CSV", "text/csv"), ("JSON", "application/json")):
        answer = browser("vera").get(link(text, form))
        assert answer["Content-Type"].startswith(kinds) and answer["Content-Disposition"].startswith("attachment")
    written = read_file("vera", link(text, "CSV"))
    for value in torn.values():
        assert f'"{value}"' in written, "a spreadsheet would begin a cell behind the separator"
    rows = list(csv.DictReader(io.StringIO(written)))
    assert {name: rows[3][name] for name in torn} == torn
    assert [row["id"] for row in rows] == uids(*reversed(jobs))
    assert (rows[2]["title"], rows[2]["error"]) == ("'=HYPERLINK(1)", '\'-1\n2, "x"')
    found = json.loads(read_file("vera", link(text, "JSON")))
    assert found == [Job.objects.get(pk=job.pk).summary() | {"ran_s": None} for job in reversed(jobs)]
    theirs = watched("failed", kind="noop")
    shown = page("/jobs/?q=kind:noop")
    assert str(theirs.uid) in shown
    assert [row["id"] for row in json.loads(read_file("vera", link(shown, "JSON")))] == uids(theirs, *reversed(jobs))
    own = link(page("/jobs/?q=kind:noop app:own"), "JSON")
    assert [row["id"] for row in json.loads(read_file("vera", own))] == uids(*reversed(jobs))
    assert json.loads(read_file("vera", "/api/v1/jobs/export/?format=json&q=nothing")) == []
    refused = browser("vera").get("/api/v1/jobs/export/?format=xlsx")
    assert refused.status_code == 400 and "Choose one of: csv, json." in refused.content.decode()
    assert browser("vera").get("/api/v1/jobs/export/?stat=failed").status_code == 400


def test_a_search_in_words() -> None:
    query = Query.of({"q": ["state:failed,cancelled kind:noop queue:io owner:me id:0199c1f2 timeout"]}, "alice")
    assert describe_query(query) == (
        "jobs that are cancelled or failed, of kind noop, in queue io, owned by alice, "
        "whose id begins with 0199c1f2, with “timeout”"
    )
    assert describe_query(Query()) == "all jobs"


def test_a_bulk_action_is_counted_and_described_before_it_is_made() -> None:
    for _ in range(3):
        made()
    made(owner="bob")
    client = browser("bob")
    text = page("/jobs/?q=owner:alice", "bob")
    question = client.get(link(text, "Cancel…")).content.decode()
    assert "<b>3</b> jobs to cancel." in question
    assert "owned by alice" in question
    assert Job.objects.filter(kind="bulk_action").count() == 0
    form = dict(re.findall(r'<input type="hidden" name="(action|q|once)" value="([^"]*)"', question))
    for _ in range(2):  # a double click is one job
        answer = client.post("/jobs/bulk/", form)
        bulk = Job.objects.get(kind="bulk_action")
        assert answer["Location"] == f"/jobs/{bulk.uid}/"
    assert bulk.params == {"action": "cancel", "filter": {"q": ["owner:alice"]}}
    assert bulk.owner == person("bob")
    assert "Cancelling jobs owned by alice." in client.get(answer["Location"]).content.decode()


def test_a_bulk_action_on_everything_or_on_nonsense_is_refused() -> None:
    made()
    client = browser("bob")
    assert "All matches:" not in page("/jobs/", "bob")
    for typed, said in (("", "Give at least one filter"), ("state:faild", "There is no state")):
        assert said in client.get("/jobs/bulk/", {"action": "cancel", "q": typed}).content.decode()
        answer = client.post("/jobs/bulk/", {"action": "cancel", "q": typed})
        assert answer.status_code == 422 and said in answer.content.decode()
    assert client.get("/jobs/bulk/?action=delete&q=x").status_code == 404
    assert not Job.objects.filter(kind="bulk_action").exists()
    assert "All matches:" not in page("/jobs/?q=kind:noop", "vera")
    failed()
    text = page("/jobs/?q=state:failed", "bob")
    assert link(text, "Retry…") and not link(text, "Cancel…"), "what has ended is not cancelled"
    assert browser("vera").get("/jobs/bulk/?action=cancel&q=x").status_code == 403


def test_a_bulk_retry_leaves_out_what_one_may_not_submit() -> None:
    chore = lifecycle.submit("prune", {}, owner=person("ada"))[0]
    lifecycle.cancel(chore.uid)
    for name, count in (("ada", 1), ("bob", 0)):
        text = page("/jobs/bulk/?action=retry&q=state:cancelled", name)
        assert f"<b>{count}</b> job" in text


@pytest.mark.long
def test_the_page_of_a_bulk_cancel_leads_to_its_taking_back() -> None:
    jobs, client = [made(), made()], browser("bob")
    made("countdown")
    client.post("/jobs/bulk/", {"action": "cancel", "q": "kind:noop", "once": "1"})
    own = Job.objects.get(kind="bulk_action")
    assert 'data-when="succeeded failed cancelled" hidden>Undo all cancels…' in page(f"/jobs/{own.uid}/", "bob")
    held = lifecycle.claim(own.uid, "w1@here", 1)
    for _ in bulk.act(own, "cancel", bulk.query_for("cancel", {"kind": ["noop"]}, "bob")):
        pass
    lifecycle.succeed(held)
    text = page(f"/jobs/{own.uid}/", "bob")
    assert 'data-when="succeeded failed cancelled">Undo all cancels…' in text
    assert "Undo all cancels…" not in page(f"/jobs/{own.uid}/", "vera")
    assert f"bob: bulk action {own.uid}" in page(f"/jobs/{jobs[0].uid}/")
    question = client.get(link(text, "Undo all cancels…")).content.decode()
    assert "<b>2</b> jobs, cancelled before they started." in question and ">Undo cancel of 2 jobs</button>" in question
    assert f"among <b>jobs cancelled by bulk action {own.uid}</b>" in question
    form = dict(re.findall(r'<input type="hidden" name="(action|q|once)" value="([^"]*)"', question))
    assert browser("vera").post("/jobs/bulk/", form).status_code == 403
    client.post("/jobs/bulk/", form)
    back = Job.objects.get(kind="bulk_action", params__action="take_back")
    entry = Entry.objects.get(action="bulk", target=str(back.uid), outcome="done")
    assert (entry.who, entry.detail) == ("bob", {"action": "take_back", "filter": {"q": [f"bulk:{own.uid}"]}})
    assert "Undo all cancels…" not in page(f"/jobs/{back.uid}/", "bob")
    assert "action=take_back" not in page("/jobs/?q=kind:noop", "bob"), (
        "a choice where cancelled jobs are looked for only"
    )
    for text in ("state:cancelled", f"bulk:{own.uid}"):
        assert "action=take_back" in page(f"/jobs/?q={text}", "bob")
    assert "action=take_back" not in page("/jobs/?q=state:cancelled", "vera")


def test_picked_jobs_lead_back_to_the_search() -> None:
    job, client = made(), browser("bob")
    form = {"action": "cancel", "job": str(job.uid), "back": "state:queued"}
    question = client.post("/jobs/picked/", form).content.decode()
    assert link(question, "Go back") == "/jobs/?q=state%3Aqueued"
    assert client.post("/jobs/picked/", form | {"sure": "yes"})["Location"] == "/jobs/?q=state%3Aqueued"


def test_an_age_in_a_bulk_action_counts_back_from_when_it_was_asked_for() -> None:
    now = timezone.now()
    query = Query.of({"q": ["since:2h"]}, now=now - timedelta(days=1))
    assert query.since == now - timedelta(days=1, hours=2)


def test_times_are_the_readers_own_and_a_bulk_job_gets_moments() -> None:
    job, client = made(), browser("bob")
    Job.objects.update(created_at="2026-03-01T10:30:00Z")
    client.cookies["signalbox_zone"] = "Asia/Tokyo"  # where it was 19:30
    for typed, found in (
        ("since:2026-03-01T19:00", True),
        ("since:2026-03-01T20:00", False),
        ("since:2026-03-01T10:00Z", True),
    ):
        assert shown(client.get("/jobs/", {"q": typed}).content.decode()) == uids(job) * found, typed
    client.post("/jobs/bulk/", {"action": "cancel", "q": "since:2026-03-01T19:00 kind:noop"})
    bulk = Job.objects.get(kind="bulk_action")
    assert bulk.params["filter"] == {"q": ["kind:noop"], "since": ["2026-03-01T10:00:00.000000Z"]}
    client.post("/jobs/bulk/", {"action": "cancel", "q": "since:2h"})
    newest = Job.objects.filter(kind="bulk_action").latest("id").params["filter"]
    assert newest.keys() == {"since"} and newest["since"][0].endswith("Z")


def test_where_a_job_was_that_is_gone() -> None:
    def uid(millisecond: int, chance: int) -> UUID:
        return UUID(int=millisecond << 80 | chance)

    def row(millisecond: int, chance: int) -> int:
        columns = {"kind": "noop", "queue": "io", "state": "succeeded", "created_at": timezone.now()}
        return Job.objects.create(uid=uid(millisecond, chance), **columns).pk

    first, second, third = row(1, 9), row(1, 2), row(3, 5)
    assert finder.key_of(uid(1, 2)) == second
    assert finder.key_of(uid(1, 5)) == second + 1, "after all of its millisecond, whatever chance says"
    assert finder.key_of(uid(2, 5)) == second + 1
    assert finder.key_of(uid(4, 0)) == third + 1
    assert finder.key_of(uid(0, 1)) == 0
    assert first < second


def test_a_page_says_which_jobs_are_news_to_it():
    def told(address: str) -> tuple[str, dict]:
        text = unescape(page(address))
        return tuple(re.search(r'data-news-since="([^"]*)" data-match="(.*?)">', text).groups())

    made()
    since, match = told("/jobs/?q=kind:noop+app:shop,own")
    assert since == "", "all that matches is shown, so any other is news, whenever it was made"
    assert json.loads(match)["app"] == [[None, "shop"]]
    assert json.loads(told("/jobs/")[1])["app"] == [], "the page means all applications"
    asked = timezone.now() - timedelta(hours=2)
    assert told(f"/jobs/?q=since:{instant(asked)}")[0] == instant(asked)
    Job.objects.update(created_at=timezone.now() - timedelta(hours=1))
    for _ in range(views.PAGE):
        made()
    full = told("/jobs/?q=kind:noop")[0]
    assert full > instant(timezone.now() - timedelta(minutes=1)), "the first job is on the next page, and no news"

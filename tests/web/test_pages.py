"""The pages as the server paints them: who may open them, what a form does, and that nothing in them is inline."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from tasks.access.models import Entry
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tests.support.people import person

pytestmark = pytest.mark.django_db

PAGES = ("/", "/jobs/", "/submit/", "/submit/noop/", "/workers/")
ABSENT = "/jobs/01999999-0000-7000-8000-000000000000/"


def browser(name: str | None = None) -> Client:
    client = Client()
    if name:
        client.force_login(person(name))
    return client


def made(kind: str = "noop", owner: str = "alice", **params: Any) -> Job:
    return lifecycle.submit(kind, params, owner=person(owner))[0]


@pytest.mark.parametrize("address", [*PAGES, ABSENT])
def test_anonymous_users_are_led_to_the_login_page(address: str) -> None:
    answer = browser().get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={address}")


@pytest.mark.parametrize("address", PAGES)
def test_one_without_a_role_sees_nothing(address: str) -> None:
    answer = browser("charlie").get(address)
    assert answer.status_code == 403
    assert "You have no access" in answer.content.decode()


@pytest.mark.long
@pytest.mark.parametrize("name", ["vera", "bob", "ada"])
def test_everybody_with_a_role_sees_the_pages_and_only_what_one_may_do(name: str) -> None:
    client, job = browser(name), made()
    acts = name != "vera"
    for address in ("/", "/jobs/", "/workers/", f"/jobs/{job.uid}/"):
        answer = client.get(address)
        assert answer.status_code == 200
        text = answer.content.decode()
        assert (">Submit</a>" in text) is acts
        assert ("data-pick " in text or "Cancel this job" in text) is (acts and address != "/workers/")
    assert client.get("/submit/noop/").status_code == (200 if acts else 403)
    assert client.post("/submit/noop/").status_code == (302 if acts else 403)


@pytest.mark.parametrize("verb", ["cancel", "retry", "take-back"])
def test_actions_are_posts_of_those_who_may(verb: str) -> None:
    job = made()
    address = f"/jobs/{job.uid}/{verb}/"
    assert browser("bob").get(address).status_code == 405
    assert browser("vera").post(address).status_code == 403
    assert browser("charlie").post(address).status_code == 403
    assert browser().post(address).status_code == 302
    assert Job.objects.get().version == job.version
    assert Client(enforce_csrf_checks=True).post(address).status_code == 403


def test_cancel_and_retry_go_back_to_the_job() -> None:
    job, client = made(), browser("bob")
    answer = client.post(f"/jobs/{job.uid}/cancel/", {"reason": "wrong one"})
    assert answer["Location"] == f"/jobs/{job.uid}/"
    cancelled = Job.objects.get()
    assert (cancelled.state, cancelled.cancel_reason) == ("cancelled", "wrong one")
    assert "bob: wrong one" in client.get(f"/jobs/{job.uid}/").content.decode()
    client.post(f"/jobs/{job.uid}/retry/")
    assert Job.objects.get().state == "queued"
    page = client.post(f"/jobs/{job.uid}/retry/", follow=True).content.decode()
    assert "The job is queued" in page


def test_a_cancel_by_mistake_is_taken_back() -> None:
    job = lifecycle.submit("noop", {}, owner=person("alice"), due_at=lifecycle.now() + timedelta(hours=1))[0]
    client = browser("bob")
    client.post(f"/jobs/{job.uid}/cancel/")
    assert client.post(f"/jobs/{job.uid}/take-back/")["Location"] == f"/jobs/{job.uid}/"
    back = Job.objects.get()
    assert (back.state, back.due_at) == ("scheduled", job.due_at)
    assert "a job that waited" in client.post(f"/jobs/{job.uid}/take-back/", follow=True).content.decode()
    assert list(Entry.objects.filter(target=job.uid, who="bob").order_by("id").values_list("action", "outcome")) == [
        ("cancel", "done"), ("take_back", "done"), ("take_back", "refused"),
    ]  # fmt: skip


def test_a_page_that_stays_gets_json() -> None:
    job, client = made(), browser("bob")
    answer = client.post(f"/jobs/{job.uid}/cancel/", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    client.post(f"/jobs/{job.uid}/retry/")
    answer = client.post(f"/jobs/{job.uid}/retry/", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == (409, "The job is queued: it has not ended.")


def test_a_form_makes_a_job_of_its_sender() -> None:
    typed = {"p-seconds": "3", "p-steps": "3", "priority": "7", "due_at": "2999-01-01T10:00:00", "zone": "Asia/Tokyo"}
    answer = browser("bob").post("/submit/countdown/", typed)
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.uid}/"
    assert (job.owner, job.priority, job.state) == (person("bob"), 7, "scheduled")
    assert job.params == {"seconds": 3, "steps": 3, "fail": False}
    assert job.due_at.isoformat() == "2999-01-01T01:00:00+00:00"


def test_wrong_input_queues_nothing_and_loses_nothing() -> None:
    answer = browser("bob").post("/submit/countdown/", {"p-seconds": "<soon>", "p-steps": "4", "once": "abc"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert Job.objects.count() == 0
    assert 'value="&lt;soon&gt;"' in text
    assert 'value="abc"' in text
    assert "Give a whole number." in text


def test_a_form_sent_twice_is_one_job_and_with_other_values_another() -> None:
    client = browser("bob")
    first = client.post("/submit/countdown/", {"p-seconds": "3", "once": "abc"})
    again = client.post("/submit/countdown/", {"p-seconds": "3", "once": "abc"})
    assert again["Location"] == first["Location"]
    client.post("/submit/countdown/", {"p-seconds": "4", "once": "abc"})
    browser("alice").post("/submit/countdown/", {"p-seconds": "3", "once": "abc"})
    assert Job.objects.count() == 3


def test_a_copy_knows_its_original() -> None:
    job, client = made("countdown", seconds=42), browser("bob")
    page = client.get(f"/submit/countdown/?copy={job.uid}").content.decode()
    assert 'value="42"' in page
    client.post("/submit/countdown/", {"p-seconds": "42", "copy": str(job.uid)})
    assert Job.objects.latest("id").copy_of == job.uid
    assert client.get(f"/submit/noop/?copy={job.uid}").status_code == 200, "a job of another kind is no original"


def test_picked_jobs_are_asked_about_before_anything_is_done() -> None:
    jobs, client = [made(), made()], browser("bob")
    picked = {"action": "cancel", "job": [str(job.uid) for job in jobs]}
    question = client.post("/jobs/picked/", picked).content.decode()
    assert "Cancel 2 jobs?" in question
    assert set(Job.objects.values_list("state", flat=True)) == {"queued"}
    client.post("/jobs/picked/", picked | {"sure": "yes"})
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}
    page = client.post("/jobs/picked/", picked | {"action": "retry", "sure": "yes"}, follow=True).content.decode()
    assert "Retrying 2 jobs." in page
    assert browser("vera").post("/jobs/picked/", picked).status_code == 403
    assert client.post("/jobs/picked/", {"action": "delete"}).status_code == 404


def test_what_was_picked_and_cancelled_is_offered_back_once() -> None:
    waits, runs, client = [made(), made()], made(), browser("bob")
    lifecycle.claim(runs.uid, "w1@here", 1)
    picked = {"action": "cancel", "sure": "yes", "reason": "no", "job": [str(job.uid) for job in (*waits, runs)]}
    page = client.post("/jobs/picked/", picked, follow=True).content.decode()
    assert "Cancelled 3 jobs." in page
    assert set(Job.objects.values_list("cancel_reason", flat=True)) == {"no"}
    assert "Undo 2 cancels" in page
    offered = re.findall(r'<input type="hidden" name="job" value="([^"]+)">', page)
    assert set(offered) == {str(job.uid) for job in waits}
    assert "Cancelled by mistake?" not in client.get("/").content.decode()
    page = client.post("/jobs/picked/", {"action": "take_back", "sure": "yes", "job": offered}, follow=True)
    assert "Undid the cancel of 2 jobs." in page.content.decode()
    assert sorted(Job.objects.values_list("state", flat=True)) == ["queued", "queued", "running"]


def test_what_does_not_exist_is_a_page_that_says_so() -> None:
    client = browser("bob")
    for address in (ABSENT, "/submit/unheard_of/", "/nothing/", f"{ABSENT}cancel/"):
        answer = client.post(address) if address.endswith("cancel/") else client.get(address)
        assert answer.status_code == 404
        assert "Page not found" in answer.content.decode()


def test_a_page_escapes_what_jobs_say() -> None:
    job = made("countdown", seconds=1)
    evil = {"error": "<img src=x onerror=alert(1)>", "traceback": "</pre><script>", "progress_note": "<b>"}
    Job.objects.update(state="failed", attempt=1, finished_at=job.created_at, **evil)
    for address in ("/", "/jobs/", f"/jobs/{job.uid}/"):
        text = browser("bob").get(address).content.decode()
        assert "&lt;img src=x" in text
        assert "<img src=x" not in text


def test_nothing_in_a_page_is_inline_and_every_script_is_asked_for_at_once() -> None:
    client, job = browser("ada"), made()
    for address in (*PAGES, f"/jobs/{job.uid}/", "/nothing/", "/login/"):
        answer: HttpResponse = client.get(address)
        text = answer.content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), address
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "style-src 'self'" in policy
        assert "unsafe" not in policy
    folder = Path(settings.BASE_DIR) / "static"
    scripts = {f"/static/{path.relative_to(folder)}" for path in folder.rglob("*.js") if path.parent.name != "alone"}
    assert set(re.findall(r'modulepreload" href="([^"]+)"', client.get("/").content.decode())) == scripts


def test_styles_use_layers_and_neither_ids_nor_importance() -> None:
    folder = Path(settings.BASE_DIR) / "static/css"
    for path in folder.glob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        assert "!important" not in text
        assert [name for name in re.findall(r"#([\w-]+)", text) if not re.fullmatch("[0-9a-f]{3,8}", name)] == []
        moving = re.findall(r"(.{90})\b(?:transition|animation):(?! none)", text, re.DOTALL)
        assert [before for before in moving if "prefers-reduced-motion: no-preference" not in before] == [], path.name
        layers = re.findall(r"^@layer ([a-z]+) {", text, re.MULTILINE)
        assert layers
        assert set(layers) <= {"tokens", "base", "layout", "controls", "jobs", "pages", "absent"}


def test_modules_import_only_each_other() -> None:
    folder = Path(settings.BASE_DIR) / "static/js"
    for path in (path for path in folder.rglob("*.js") if path.parent.name != "alone"):
        text = path.read_text()
        assert text.startswith("// @ts-check\n"), path.name
        imported = re.findall(r'^import .* from "([^"]+)";$', text, re.MULTILINE)
        assert len(imported) == len(re.findall(r"^import ", text, re.MULTILINE))
        assert all(
            (path.parent / name).is_file() and name.startswith("./" if path.parent == folder else ".")
            for name in imported
        )
    assert "document" not in (folder / "live/store.js").read_text()
    assert "job" not in re.sub(r"/\*.*?\*/|//.*", "", (folder / "live/socket.js").read_text(), flags=re.DOTALL)


def test_what_is_done_and_what_is_refused_stands_in_the_trail() -> None:
    client = browser("bob")
    client.post("/submit/countdown/", {"p-seconds": "600"})
    job = Job.objects.get()
    client.post(f"/jobs/{job.uid}/cancel/", {"reason": "no"})
    client.post(f"/jobs/{job.uid}/retry/")
    client.post(f"/jobs/{job.uid}/retry/")
    browser("vera").post(f"/jobs/{job.uid}/cancel/")
    reported = Entry.objects.order_by("id").values_list("who", "action", "target", "outcome", "code")
    reported = [entry for entry in reported if entry[1] not in ("login", "logout")]
    assert reported[:4] == [
        ("bob", "submit", str(job.uid), "done", ""),
        ("bob", "cancel", str(job.uid), "done", ""),
        ("bob", "retry", str(job.uid), "done", ""),
        ("bob", "retry", str(job.uid), "refused", "not-in-this-state"),
    ]
    assert reported[4][0] == "vera"
    assert reported[4][3:] == ("refused", "forbidden")


def test_one_who_submits_too_much_sees_when_there_is_room_again(settings: Any) -> None:
    settings.SIGNALBOX_SUBMITS_PER_USER = 2
    client = browser("bob")
    for seconds in ("1", "2"):
        assert client.post("/submit/countdown/", {"p-seconds": seconds}).status_code == 302
    answer = client.post("/submit/countdown/", {"p-seconds": "3"})
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert "at most 2 submits a minute" in answer.content.decode()
    assert 'value="3"' in answer.content.decode()
    assert Job.objects.count() == 2


def test_the_board_counts_what_waits_and_runs_by_queue_and_kind() -> None:
    made("noop"), made("noop"), lifecycle.claim(made("countdown").uid, "w@h", 1)
    lifecycle.cancel(made("site_sizes", addresses=["https://example.org"]).uid)
    text = re.sub(r"<[^>]+>", "", browser("vera").get("/").content.decode())
    assert "default 1 running · 2 waiting" in text
    assert "countdown 1 running" in text and "noop 2 waiting" in text
    assert not re.search(r"site_sizes \d+ (running|waiting)", text)  # its row is there, with an id of digits


@pytest.mark.parametrize(
    ("name", "look"), [("production", ' data-look="danger"'), ("Prod EU", ' data-look="danger"'), ("staging", "")]
)
def test_the_environment_stands_at_the_head_red_in_production(settings: Any, name: str, look: str) -> None:
    settings.SIGNALBOX_ENVIRONMENT = name
    assert f'<b class="environment"{look}>{name}</b>' in browser("vera").get("/workers/").content.decode()
    settings.SIGNALBOX_ENVIRONMENT = ""
    assert "environment" not in browser("vera").get("/workers/").content.decode()

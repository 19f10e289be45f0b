"""The audit trail's page: for admins, by who, what, on what and outcome, page by page, and never changed."""

import re

import pytest

from tasks.access import audit
from tasks.access.models import Entry
from tasks.engine import lifecycle
from tests.support.people import person
from tests.web.test_pages import browser

pytestmark = pytest.mark.django_db


def entries(text: str) -> list[str]:
    """What each entry says first, as a reader reads it."""
    found = re.findall(r'<li class="audit-entry".*?<p>(.*?)</p>', text, re.DOTALL)
    return [" ".join(re.sub("<[^>]*>", "", each).split()) for each in found]


def test_only_admins_read_it_and_only_they_are_offered_it() -> None:
    for name, status in (("ada", 200), ("bob", 403), ("vera", 403), ("charlie", 403)):
        assert browser(name).get("/audit/").status_code == status
    assert browser().get("/audit/").status_code == 302
    assert browser("ada").post("/audit/").status_code == 405
    offered = [name for name in ("ada", "bob", "vera") if b'href="/audit/"' in browser(name).get("/workers/").content]
    assert offered == ["ada"]


def test_it_says_who_did_or_was_refused_what_and_escapes_what_they_typed() -> None:
    job = lifecycle.submit("noop", {}, owner=person("alice"))[0]
    browser("bob").post(f"/jobs/{job.uid}/cancel/", {"reason": "<b>wrong</b>"})
    browser("vera").post(f"/jobs/{job.uid}/cancel/")
    text = browser("ada").get("/audit/").content.decode()
    assert "&lt;b&gt;wrong&lt;/b&gt;" in text
    assert f"bob cancelled job&nbsp;{str(job.uid)[-6:]}: &lt;b&gt;wrong&lt;/b&gt;" in entries(text)
    assert f"vera tried to cancel /jobs/{job.uid}/cancel/" in entries(text)
    assert f'href="/jobs/{job.uid}/"' in text
    about = entries(browser("ada").get(f"/audit/?target={job.uid}").content.decode())
    assert [entry.split()[0] for entry in about] == ["vera", "bob"], "what was refused at the job's address, too"
    assert "from 127.0.0.1" in text
    assert "forbidden" in text


def test_it_is_filtered_and_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.account.audit.PAGE", 2)
    for n in range(5):
        audit.note(person("alice"), "cancel", f"thing {n}")
    audit.note(person("bob"), "retry", "thing 1")
    audit.refused(person("bob"), "cancel", "thing 2", "forbidden")
    client = browser("ada")
    seen, address = [], "/audit/?who=alice&action=cancel"
    while address:
        text = client.get(address).content.decode()
        seen += entries(text)
        link = re.search(r'class="more"><a class="button" href="(\?[^"]+)"', text)
        address = link and "/audit/" + link[1].replace("&amp;", "&")
    assert seen == [f"alice cancelled thing {n}" for n in (4, 3, 2, 1, 0)]
    for query, found in (
        ("target=thing+1", ["bob retried thing 1", "alice cancelled thing 1"]),
        ("outcome=refused&who=bob", ["bob tried to cancel thing 2"]),
        ("who=%00nobody", []),
        ("who=<script>", []),
    ):
        text = client.get(f"/audit/?{query}").content.decode()
        assert entries(text) == found
        assert "<script>" not in text
    assert "No entries match." in text
    assert client.get("/audit/?before=nonsense").status_code == 200


def test_it_is_said_in_peoples_words_with_short_ids() -> None:
    audit.note(person("bob"), "pause", "queue slow", paused=True)
    audit.note(person("bob"), "pause", "queue slow", paused=False)
    audit.note(person("ada"), "change_rows", "alert rule 01a222ec-0000-7000-8000-0000000e8762")
    audit.note(person("ada"), "change_rows", "feed 01a222ec-0000-7000-8000-0000000e8763", deleted="https://a.example/")
    said = entries(browser("ada").get("/audit/?who=bob").text) + entries(browser("ada").get("/audit/?who=ada").text)
    assert said[:2] == ["bob resumed queue slow", "bob paused queue slow"]
    assert "ada deleted feed 0e8763" in said and "ada changed alert rule 0e8762" in said


def test_reading_it_writes_nothing_into_it() -> None:
    client = browser("ada")
    before = Entry.objects.count()
    client.get("/audit/")
    assert Entry.objects.count() == before

"""The pages of feeds: what people see and do there, wrong input said where it was typed, and who may do what."""

import pytest
from django.test import Client
from django.urls import reverse

from tasks.engine.models import Job
from tasks.kinds.feeds import store
from tasks.kinds.feeds.documents import read
from tasks.kinds.feeds.models import Entry, Feed
from tests.kinds.test_feeds_documents import RSS
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


def browser(name: str) -> Client:
    client = Client()
    client.force_login(person(name), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def feed() -> Feed:
    made = Feed.objects.create(url="https://trains.example/feed")
    store.store(made, read(RSS, base=made.url), {})
    return Feed.objects.get()


def test_a_feed_is_added_and_fetched_at_once():
    page = browser("alice").post("/feeds/new/", {"url": " HTTPS://Trains.Example:443/feed#top "}, follow=True)
    feed = Feed.objects.get()
    assert page.redirect_chain == [(f"/feeds/{feed.uid}/", 302)]
    assert feed.url == "https://trains.example/feed"
    job = Job.objects.get()
    assert (job.kind, job.params, job.owner.username) == ("fetch_feed", {"feed": str(feed.uid)}, "alice")


@pytest.mark.long
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "This field is required."),
        ("trains", "Only http and https addresses can be fetched."),
        ("ftp://trains.example/", "Only http and https addresses can be fetched."),
        ("https://user:word@trains.example/", "An address with a user name or password is not fetched."),
        ("http://2130706433/", "The address has no valid host name."),
        ("https://trains.example:22/", "Port 22 belongs to another protocol."),
        ("https://trains.example/feed", "Feed with this Address already exists."),
        ("https://trains.example/" + "x" * 2000, "Ensure this value has at most 2000 characters (it has 2023)."),
    ],
)
def test_a_wrong_address_is_said_beside_the_field_and_nothing_is_queued(feed, typed, said):
    answer = browser("alice").post("/feeds/new/", {"url": typed, "title": "kept as typed"})
    assert answer.status_code == 422
    assert answer.context["form"].errors == {"url": [said]}
    assert "kept as typed" in answer.content.decode()
    assert (Feed.objects.count(), Job.objects.count()) == (1, 0)


def test_the_list_shows_each_feed_with_its_counts(feed):
    feed.subscribe(person("alice"))
    text = browser("alice").get("/feeds/").content.decode()
    assert "Trains &amp; trams" in text and "2 entries" in text and "1 subscriber<" in text and "yours" in text


def test_a_long_list_goes_on_where_it_ended(monkeypatch):
    monkeypatch.setattr("tasks.kinds.feeds.views.FEEDS", 2)
    for n in range(3):
        Feed.objects.create(url=f"https://trains.example/{n}", title=f"feed {n}")
    client = browser("vera")
    first = client.get("/feeds/")
    assert [str(f) for f in first.context["feeds"]] == ["feed 2", "feed 1"]
    second = client.get("/feeds/?" + first.context["more"])
    assert ([str(f) for f in second.context["feeds"]], second.context["more"]) == (["feed 0"], "")
    assert client.get("/feeds/?before=nonsense").status_code == 404


def test_entries_are_shown_clean_and_page_by_page(feed, monkeypatch):
    monkeypatch.setattr("tasks.kinds.feeds.views.ENTRIES", 1)
    client = browser("vera")
    first = client.get(f"/feeds/{feed.uid}/")
    second = client.get(f"/feeds/{feed.uid}/?{first.context['more']}")
    shown = [entry.entry_id for page in (first, second) for entry in page.context["entries"]]
    assert sorted(shown) == ["https://trains.example/2", "one"] and second.context["more"] == ""
    text = first.content.decode() + second.content.decode()
    assert "the yard</a>" in text and "alert(1)" not in text


def test_each_page_is_strict(feed):
    """No script or style but from our own files, whatever a feed says."""
    Entry.objects.filter(entry_id="one").update(title="<script>alert(2)</script>", author="<b>x")
    answer = browser("vera").get(f"/feeds/{feed.uid}/")
    assert "<script>alert(2)" not in answer.content.decode()
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy


def test_changing_the_address_forgets_what_the_old_one_said(feed):
    Feed.objects.update(etag='"v1"', last_modified="x", problem="status: 404")
    browser("bob").post(f"/feeds/{feed.uid}/change/", {"url": "https://new.example/", "title": "T", "status": "on"})
    now = Feed.objects.get()
    assert (now.url, now.title, now.etag, now.last_modified, now.problem) == ("https://new.example/", "T", "", "", "")
    assert now.version > feed.version


def test_a_feed_is_switched_off_and_on_by_hand(feed):
    client, form = browser("bob"), {"url": feed.url, "title": feed.title}
    client.post(f"/feeds/{feed.uid}/change/", {**form, "status": "off"})
    now = Feed.objects.get()
    assert (now.status, now.off_reason[:20], now.etag) == ("off", "Switched off by hand", feed.etag)
    client.post(f"/feeds/{feed.uid}/change/", {**form, "status": "on"})
    now = Feed.objects.get()
    assert (now.status, now.off_reason) == ("on", "")
    assert client.post(f"/feeds/{feed.uid}/change/", {**form, "status": "no"}).status_code == 422


def test_deleting_asks_first(feed):
    client = browser("bob")
    assert "Its 2 entries" in client.get(f"/feeds/{feed.uid}/delete/").content.decode()
    assert Feed.objects.exists()
    assert client.post(f"/feeds/{feed.uid}/delete/").url == "/feeds/"
    assert not Feed.objects.exists() and not Entry.objects.exists()


def test_subscribing_and_unsubscribing_are_two_forms_of_one_page(feed):
    client = browser("vera")
    page = f"/feeds/{feed.uid}/"
    assert f'action="{page}subscribe/"' in client.get(page).content.decode()
    assert client.post(page + "subscribe/").url == page
    assert client.post(page + "subscribe/").url == page
    assert Feed.objects.get().subscribers == 1
    assert f'action="{page}unsubscribe/"' in client.get(page).content.decode()
    client.post(page + "unsubscribe/")
    assert Feed.objects.get().subscribers == 0


def test_fetch_now_queues_a_job_of_ones_own(feed):
    assert browser("alice").post(f"/feeds/{feed.uid}/fetch/").url == f"/feeds/{feed.uid}/"
    job = Job.objects.get()
    assert (job.kind, job.owner.username, job.serial_key) == ("fetch_feed", "alice", f"fetch_feed:{feed.uid}")


VERBS = ("subscribe", "unsubscribe", "fetch")
VIEWER, OPERATOR, NOBODY = {"vera", "bob", "ada"}, {"bob", "ada"}, set()
ALLOWED = {
    "feeds": VIEWER, "feed": VIEWER, "feed-subscribe": VIEWER, "feed-unsubscribe": VIEWER,
    "feed-new": OPERATOR, "feed-change": OPERATOR, "feed-delete": OPERATOR, "feed-fetch": OPERATOR,
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", ["charlie", "vera", "bob", "ada"])
@pytest.mark.parametrize("page", ALLOWED)
def test_who_may_do_what(feed, page, name):
    url = reverse(page, args=[] if page in ("feeds", "feed-new") else [feed.uid])
    verb = page.removeprefix("feed-") in VERBS
    client = browser(name)
    answer = client.post(url) if verb else client.get(url)
    assert answer.status_code == ((302 if verb else 200) if name in ALLOWED[page] else 403)
    if verb:
        assert client.get(url).status_code == (405 if name in ALLOWED[page] else 403)
    anonymous = Client().post(url) if verb else Client().get(url)
    assert (anonymous.status_code, anonymous.url) == (302, f"/login/?next={url}")


def test_a_post_without_a_csrf_token_is_refused(feed):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("bob"), backend="django.contrib.auth.backends.ModelBackend")
    assert [client.post(f"/feeds/{feed.uid}/{verb}/").status_code for verb in VERBS] == [403] * 3

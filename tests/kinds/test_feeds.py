"""fetch_feed against real servers: what it asks and stores, when it tries again, and how little a second run does."""

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import pytest
from django.db import connection
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.fetch.retry_after import retry_after
from tasks.kinds.asking import LONGEST_WAIT_S
from tasks.kinds.feeds import store
from tasks.kinds.feeds.documents import read
from tasks.kinds.feeds.models import Entry, Feed, Subscription
from tasks.params.signature import ParamError
from tests.kinds.test_feeds_documents import BOMB, JSON_FEED, RSS
from tests.support.origins import moved, reply
from tests.support.people import person
from tests.support.processes import wait_until
from tests.support.runs import again, perform, run
from tests.support.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)
FRESH = ('ETag: "v1"', "Last-Modified: Mon, 02 Mar 2026 09:00:00 GMT", "Content-Type: application/rss+xml")


@pytest.fixture(autouse=True)
def one_address_allowed(settings):
    """Tests may reach 127.0.0.1; nothing else on this machine."""
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]


def fetch(feed: Feed) -> Job:
    return run("fetch_feed", feed=str(feed.uid))


def everything() -> list:
    """The state that a second run must not change."""
    feeds = Feed.objects.order_by("pk").values(
        "url", "title", "status", "etag", "last_modified", "problem", "changed_at"
    )
    return [list(feeds), list(Entry.objects.order_by("pk").values())]


def conditional(head: bytes) -> bytes:
    """A server that knows whether the client has it already."""
    if b'If-None-Match: "v1"' in head and b"If-Modified-Since: Mon, 02 Mar 2026 09:00:00 GMT" in head:
        return reply(b"", "304 Not Modified")
    return reply(RSS, "200 OK", *FRESH)


def test_the_first_fetch_stores_and_the_second_one_only_asks():
    with serving(conditional) as site:
        feed = Feed.objects.create(url=site.url + "/feed")
        first = fetch(feed)
        before = everything()
        second = fetch(feed)
    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert first.result == {
        "status": 200, "format": "rss20", "bytes": len(RSS), "new": 2, "changed": 0, "unchanged": 0,
    }  # fmt: skip
    assert second.result == {"status": 304, "new": 0, "changed": 0}
    assert (first.progress_done, first.progress_total, first.progress_note) == (3, 3, "2 new")
    feed.refresh_from_db()
    assert (feed.title, feed.format, feed.etag) == ("Trains & trams", "rss20", '"v1"')
    assert everything() == before
    assert [entry.title for entry in feed.entries.order_by("pk")] == ["First train", "No id"]


def test_the_same_document_without_validators_changes_nothing():
    with serving(reply(JSON_FEED)) as site:
        feed = Feed.objects.create(url=site.url)
        job = fetch(feed)
        before = everything()
        assert fetch(feed).result["unchanged"] == 2
        assert again(job).state == "succeeded"
    assert everything() == before


def test_an_entry_that_says_something_else_is_changed_in_place():
    texts = [
        RSS,
        RSS.replace(b"Left", b"Came to").replace(
            b"<item><title>No id", b"<item><guid>3</guid></item><item><title>No id"
        ),
    ]
    with serving(lambda head: reply(texts.pop(0))) as site:
        feed = Feed.objects.create(url=site.url)
        fetch(feed)
        kept = feed.entries.get(entry_id="one")
        assert fetch(feed).result | {"bytes": 0} == {
            "status": 200, "format": "rss20", "bytes": 0, "new": 1, "changed": 1, "unchanged": 1,
        }  # fmt: skip
    now = feed.entries.get(entry_id="one")
    assert (now.pk, now.at, "Came to" in now.html) == (kept.pk, kept.at, True)


def test_validators_that_nobody_could_send_back_are_not_kept():
    head = b"HTTP/1.1 200 OK\r\nETag: \xff\xfe\r\nLast-Modified: caf\xe9\r\nContent-Length: %d\r\n\r\n" % len(RSS)
    with serving(head + RSS) as site:
        job = fetch(Feed.objects.create(url=site.url))
    feed = Feed.objects.get()
    assert (job.state, feed.etag, feed.last_modified, feed.entries.count()) == ("succeeded", "", "", 2)


def test_a_title_given_by_hand_stays():
    with serving(reply(RSS)) as site:
        feed = Feed.objects.create(url=site.url, title="Mine")
        fetch(feed)
    assert Feed.objects.get().title == "Mine"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(b"", "503 Service Unavailable"), "status: The server answered 503 Service Unavailable."),
        (reply(b"", "429 Too Many Requests"), "status: The server answered 429 Too Many Requests."),
        (b"", "disconnected: "),
    ],
)
def test_what_may_pass_is_tried_again_with_backoff(answer, reason):
    with serving(answer) as site:
        job = fetch(Feed.objects.create(url=site.url))
    assert (job.state, job.attempt, job.max_attempts) == ("retrying", 1, 6)
    assert -30 <= (job.due_at - timezone.now()).total_seconds() <= 60  # full jitter over the first minute
    assert job.error.startswith(f"GatewayError: {reason}")
    assert Feed.objects.get().problem.startswith(reason)


def test_no_connection_and_no_answer_may_pass(monkeypatch):
    monkeypatch.setattr("tasks.kinds.feeds.tasks.TOTAL_S", 0.5)

    async def silent(reader, writer, head):
        await reader.read()

    with serving(silent) as site:
        assert fetch(Feed.objects.create(url=site.url)).error.startswith("GatewayError: timeout: ")
    closed = fetch(Feed.objects.create(url=site.url + "/closed"))
    assert (closed.state, closed.error.startswith("GatewayError: connect: ")) == ("retrying", True)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_retry_after_is_honoured(status):
    with serving(reply(b"", status, "Retry-After: 700")) as site:
        job = fetch(Feed.objects.create(url=site.url))
    assert job.state == "retrying"
    assert 695 < (job.due_at - timezone.now()).total_seconds() <= 770


def test_retry_after_as_a_date_as_nonsense_and_beyond_measure():
    now = datetime(2026, 3, 1, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after({"Retry-After": later}, LONGEST_WAIT_S, now) == 90
    assert retry_after({"Retry-After": "99999999999999999999"}, LONGEST_WAIT_S) == LONGEST_WAIT_S
    assert retry_after({"Retry-After": format_datetime(now - timedelta(days=1))}, LONGEST_WAIT_S, now) == 0
    assert [
        retry_after({"Retry-After": text}, LONGEST_WAIT_S) for text in ("", "-5", "soon", "1.5", "٣", "Mon, 99")
    ] == [None] * 6


def test_the_last_of_six_attempts_is_the_end_of_it():
    with serving(reply(b"", "502 Bad Gateway", "Retry-After: 1")) as site:
        job = fetch(Feed.objects.create(url=site.url))
        for _ in range(5):
            Job.objects.filter(pk=job.pk).update(due_at=lifecycle.now())
            assert lifecycle.wake() == 1
            job = perform(job)
    assert (job.state, job.attempt, site.met) == ("failed", 6, 6)
    assert job.error == "GatewayError: status: The server answered 502 Bad Gateway."


def test_410_switches_the_feed_off_and_an_off_feed_is_not_fetched():
    with serving(reply(b"", "410 Gone")) as site:
        feed = Feed.objects.create(url=site.url)
        first, second = fetch(feed), fetch(feed)
    feed.refresh_from_db()
    assert (first.state, first.result, site.met) == ("succeeded", {"status": 410, "off": True}, 1)
    assert (feed.status, feed.off_reason) == ("off", "The server says that the feed is gone for good (410).")
    assert (second.state, second.result) == ("succeeded", {"skipped": "off"})


async def endless(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(b"", "404 Not Found"), "status: The server answered 404 Not Found."),
        (reply(b"", "401 Unauthorized"), "status: The server answered 401 Unauthorized."),
        (reply(BOMB), "doctype: The feed has a document type: entities could hide in it."),
        (reply(b"<html></html>"), "not-a-feed: What the address leads to is an HTML page."),
        (endless, "too-large: The body is larger than 5,000,000 bytes."),
        (reply(b"zzz", "200 OK", "Content-Encoding: gzip"), "protocol: The body is not in the encoding it claims."),
        (moved("http://169.254.169.254/"), "refused-address: 169.254.169.254 is a link-local address"),
        (moved("file:///etc/passwd"), "bad-url: Only http and https addresses can be fetched."),
    ],
)
def test_what_cannot_pass_fails_at_once_with_a_named_reason(answer, reason):
    with serving(answer) as site:
        feed = Feed.objects.create(url=site.url)
        job = fetch(feed)
    feed.refresh_from_db()
    assert (job.state, job.attempt) == ("failed", 1)
    assert job.error.startswith(f"Refused: {reason}")
    assert feed.problem.startswith(reason) and not feed.entries.exists()


def test_trouble_is_over_when_the_feed_answers_again():
    answers = [reply(b"", "404 Not Found"), reply(RSS)]
    with serving(lambda head: answers.pop(0)) as site:
        feed = Feed.objects.create(url=site.url)
        fetch(feed)
        fetch(feed)
    assert Feed.objects.get().problem == ""


def test_a_permanent_redirect_is_said_in_the_log():
    with serving(lambda head: moved("/new", "301 Moved Permanently") if b" / " in head else reply(RSS)) as site:
        job = fetch(Feed.objects.create(url=site.url + "/"))
    assert any("has moved for good to" in line.text and line.level == "warning" for line in job.log.all())


def test_an_unknown_feed_is_refused_where_it_is_typed():
    with pytest.raises(ParamError) as caught:
        lifecycle.submit("fetch_feed", {"feed": "0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a"})
    assert caught.value.errors == {"feed": ["There is no feed with this id."]}
    assert not Job.objects.exists()


def test_a_feed_that_was_deleted_meanwhile_is_no_mystery():
    feed = Feed.objects.create(url="https://trains.example/")
    job, _ = lifecycle.submit("fetch_feed", {"feed": str(feed.uid)})
    feed.delete()
    assert perform(job).error == "Refused: no-such-feed: The feed is not there any more."


def test_an_edit_in_the_middle_of_a_fetch_wins_and_the_fetch_begins_again():
    def says(head: bytes) -> bytes:
        if b"GET /old" in head:
            feed = Feed.objects.get()
            assert Feed.objects.guarded_update(feed, url=feed.url.replace("/old", "/new"))
            connection.close()
        return reply(RSS if b"GET /old" in head else JSON_FEED)

    async def answer(reader, writer, head):
        box: list[bytes] = []
        thread = threading.Thread(target=lambda: box.append(says(head)))
        thread.start()
        thread.join()
        writer.write(box[0])

    with serving(answer) as site:
        job = fetch(Feed.objects.create(url=site.url + "/old"))
    feed = Feed.objects.get()
    assert (job.state, job.result["format"], feed.title) == ("succeeded", "json", "Points")
    assert [head.split()[1] for head in site.heads] == [b"/old", b"/new"]
    assert {entry.entry_id for entry in feed.entries.all()} == {"7", "8"}


def test_two_writers_at_once_store_each_entry_once():
    """As when an attempt that was taken for dead wakes up beside its successor."""
    feed = Feed.objects.create(url="https://trains.example/")
    document, ends = read(RSS), []

    def write() -> None:
        try:
            ends.append(store.store(feed, document, {}))
        except store.Changed:
            ends.append("changed")
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, ends)) == ["Stored(new=2, changed=0, unchanged=0)", "changed", "changed", "changed"]
    assert feed.entries.count() == 2


def test_old_entries_make_room_but_not_those_that_the_feed_still_lists(monkeypatch):
    monkeypatch.setattr(store, "MOST_KEPT", 3)
    feed = Feed.objects.create(url="https://trains.example/")

    def document(*names: int):
        return read(b"<rss version='2.0'><channel>" + b"".join(b"<item><guid>%d</guid></item>" % n for n in names) + b"</channel></rss>")  # fmt: skip # noqa: E501

    for names in ((1, 2), (2, 3, 4), (2, 4, 5)):
        feed.refresh_from_db()
        store.store(feed, document(*names), {})
    assert {entry.entry_id for entry in feed.entries.all()} == {"2", "4", "5"}


def test_an_entry_of_the_future_does_not_stay_on_top() -> None:
    feed, began = Feed.objects.create(url="https://trains.example/"), timezone.now()
    item = "<item><guid>{0}</guid><pubDate>{0}-12-31T00:00:00Z</pubDate></item>".format
    Entry.objects.create(feed=feed, entry_id="earlier version", at=datetime(9999, 12, 31, tzinfo=UTC))
    body = f"<rss version='2.0'><channel>{item(9999)}{item(2020)}<item><guid>none</guid></item></channel></rss>"
    store.store(feed, read(body.encode()), {})
    at = dict(feed.entries.values_list("entry_id", "at"))
    assert at["2020"] == datetime(2020, 12, 31, tzinfo=UTC)
    assert began <= at["9999"] == at["none"] == at["earlier version"] <= timezone.now()
    assert feed.entries.get(entry_id="9999").published_at == datetime(9999, 12, 31, tzinfo=UTC)


def test_one_feed_is_never_fetched_by_two_workers():
    feeds = [Feed.objects.create(url=f"https://trains.example/{n}") for n in range(2)]
    first, second, other = (lifecycle.submit("fetch_feed", {"feed": str(feeds[n].uid)})[0] for n in (0, 0, 1))
    held = lifecycle.claim(first.uid, "w1@here", 1)
    assert lifecycle.claim(second.uid, "w2@here", 2) is None
    assert lifecycle.claim(other.uid, "w2@here", 2) is not None
    lifecycle.succeed(held)
    assert lifecycle.claim(second.uid, "w2@here", 2) is not None


@pytest.mark.process
def test_a_real_worker_sees_a_cancel_while_the_server_says_nothing(start_worker):
    async def silent(reader, writer, head):
        await reader.read()

    start_worker("w1")
    with serving(silent) as site:
        feed = Feed.objects.create(url=site.url)
        job, _ = lifecycle.submit("fetch_feed", {"feed": str(feed.uid)})
        wait_until(lambda: site.met, what="the request")
        lifecycle.cancel(job.uid)
        wait_until(lambda: Job.objects.get(pk=job.pk).state == "cancelled", 5, "the cancel")


def test_subscribers_are_counted_once_each_however_often_they_ask():
    feed = Feed.objects.create(url="https://trains.example/")
    alice, bob = person("alice"), person("bob")
    assert [feed.subscribe(alice), feed.subscribe(alice), feed.subscribe(bob)] == [True, False, True]
    assert Feed.objects.get().subscribers == Subscription.objects.count() == 2
    assert [feed.unsubscribe(alice), feed.unsubscribe(alice)] == [True, False]
    assert Feed.objects.get().subscribers == 1
    bob.delete()
    assert Feed.objects.get().subscribers == 0


def test_many_who_subscribe_at_the_same_time_are_all_counted():
    feed = Feed.objects.create(url="https://trains.example/")
    people = [person(name) for name in ("alice", "bob", "ada", "vera")]

    def subscribe(user) -> None:
        for _ in range(3):
            feed.subscribe(user)
        connection.close()

    threads = [threading.Thread(target=subscribe, args=[user]) for user in people * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Feed.objects.get().subscribers == Subscription.objects.count() == 4


def test_a_fetch_does_not_lose_a_subscriber_who_comes_meanwhile():
    """The counter is no part of what a fetch writes."""
    feed = Feed.objects.create(url="https://trains.example/")
    feed.subscribe(person("alice"))
    assert store.store(feed, read(RSS), {}).new == 2
    assert Feed.objects.get().subscribers == 1

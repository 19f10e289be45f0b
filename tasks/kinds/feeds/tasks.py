"""fetch_feed: fetch one feed and store its new entries.

Teaches three rules: ask only for what changed, try again only what may pass (and when the server says), and write so
that a second run finds nothing left to do.
"""

import random
from typing import Annotated, Any

from tasks.base import JobTask
from tasks.engine.report import Report
from tasks.engine.words import number_of
from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import FetchedPage, Fetcher
from tasks.kinds.asking import GatewayError, Refused, answered, ask, in_words, judged
from tasks.kinds.feeds import store
from tasks.kinds.feeds.documents import Document, RefusedDocument, read
from tasks.kinds.feeds.models import Feed
from tasks.kinds.feeds.refusals import LARGEST
from tasks.kinds.sample import sample
from tasks.params.signature import Ref

TOTAL_S = 30.0  # for one request with all its redirects
GONE = 410
NOT_MODIFIED = 304
PERMANENT = (301, 308)
ROUNDS = 3  # when the feed is edited while it is fetched
ACCEPT = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"


@sample(
    bind=True,
    queue="io",
    autoretry_for=(GatewayError,),
    retry_backoff=60,
    retry_backoff_max=3600,
    retry_jitter=True,
    max_retries=5,
    serial_key="{feed}",
    soft_time_limit=180,
    time_limit=200,
)
def fetch_feed(self: JobTask, report: Report, feed: Annotated[str, Ref("feeds.Feed"), "The feed's id."]) -> dict:
    """Fetch one feed and store its new entries.

    Asks only for what changed since the last time. Timeouts, 429 and 5xx are tried again, after as long as the server
    asked for; 410 switches the feed off.
    """
    for _ in range(ROUNDS):
        try:
            return once(report, find(feed))
        except store.Changed:
            report.log("The feed was changed meanwhile: once more, with what it is now.")
        except GatewayError as error:
            if error.wait is not None:  # the server knows better than our own backoff; not all at once, though
                raise self.retry(exc=error, countdown=max(1.0, error.wait) * random.uniform(1, 1.1)) from error  # noqa: S311
            raise
    raise Refused("changed", "The feed was changed again and again while it was fetched.")


def find(uid: str) -> Feed:
    try:
        return Feed.objects.get(uid=uid)
    except Feed.DoesNotExist:
        raise Refused("no-such-feed", "The feed is not there any more.") from None


def once(report: Report, feed: Feed) -> dict[str, Any]:
    if feed.status == Feed.Status.OFF:
        report.log(f"The feed is switched off: {feed.off_reason or 'by hand'}")
        return {"skipped": "off"}
    report.progress(0, 3, "asking the server")
    try:
        page = fetched(report, feed)
        if page.status == GONE:
            store.mark_gone(feed, "The server says that the feed is gone for good (410).")
            report.log("The server answered 410 Gone: the feed is switched off.", "warning")
            return {"status": GONE, "off": True}
        answered(page)
        tell_of_redirects(report, page)
        if page.status == NOT_MODIFIED:
            store.unchanged(feed)
            report.progress(3, 3, "nothing has changed")
            return {"status": NOT_MODIFIED, "new": 0, "changed": 0}
        report.progress(1, 3, f"reading {number_of(page.size, 'byte')}")
        document = understood(page)
    except (GatewayError, Refused) as error:
        store.failed(feed, str(error))
        raise
    report.progress(2, 3, f"storing {number_of(len(document.items), 'entry', 'entries')}")
    kept = store.store(feed, document, page.headers)
    news = f"{number_of(kept.new, 'new entry', 'new entries')}, {kept.changed:,} changed"
    report.log(f"{in_words(page.status)}, {number_of(page.size, 'byte')}: {news}.")
    if document.left_out:
        report.log(f"{number_of(document.left_out, 'further entry was', 'further entries were')} left out.", "warning")
    report.progress(3, 3, f"{kept.new:,} new")
    return {"status": page.status, "format": document.format, "bytes": page.size, **kept._asdict()}


def fetched(report: Report, feed: Feed) -> FetchedPage:
    """One conditional request. Raises GatewayError or Refused when there is no answer to it."""
    conditions = {"If-None-Match": feed.etag, "If-Modified-Since": feed.last_modified, "Accept": ACCEPT}

    async def request() -> FetchedPage:
        async with Fetcher(total=TOTAL_S, connect=10, cap=LARGEST) as fetcher:
            return await fetcher.get(feed.url, headers={name: value for name, value in conditions.items() if value})

    try:
        return ask(request(), lambda: report.progress(0))
    except FetchError as error:
        raise judged(error) from None


def understood(page: FetchedPage) -> Document:
    try:
        return read(page.body, page.headers.get("Content-Type", ""), page.final_url)
    except RefusedDocument as refused:
        raise Refused(refused.reason, str(refused)) from None


def tell_of_redirects(report: Report, page: FetchedPage) -> None:
    if page.hops and all(hop.status in PERMANENT for hop in page.hops):
        report.log(f"The feed has moved for good to {page.final_url}: its address should be changed.", "warning")

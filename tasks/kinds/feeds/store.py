"""What one answer changes in the database: the feed's row and its entries, together or not at all.

Two things keep writers apart: the row's lock where the database has row locks, its version everywhere. A writer that
finds another version writes nothing, and begins again with the present row.
"""

from collections.abc import Mapping
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from tasks.engine import storable
from tasks.kinds.feeds.documents import Document, Item
from tasks.kinds.feeds.models import Entry, Feed

MOST_KEPT = 5_000  # entries of one feed; the oldest that the feed does not list any more make room


class Changed(Exception):
    """The feed is not as it was when the fetch began: somebody edited it, or another attempt was quicker."""


class Stored(NamedTuple):
    new: int
    changed: int
    unchanged: int


def store(feed: Feed, document: Document, headers: Mapping[str, str]) -> Stored:
    """Keep a document: each entry once, by its id. The same document again changes nothing but ``fetched_at``."""
    now = timezone.now()
    with transaction.atomic():
        if Feed.locked(feed.pk).version != feed.version:
            raise Changed
        known = dict(Entry.objects.filter(feed=feed).values_list("entry_id", "digest"))
        new = [item for item in document.items if item.entry_id not in known]
        changed = [item for item in document.items if known.get(item.entry_id, item.digest) != item.digest]
        # A date in the future would keep an entry on top until then; rows of earlier versions may have one.
        Entry.objects.filter(feed=feed, at__gt=now).update(at=now)
        shown_at = [min(item.published_at or now, now) for item in new]
        rows = (Entry(feed=feed, at=at, **item_columns(item)) for item, at in zip(new, shown_at, strict=True))
        Entry.objects.bulk_create(rows, 200)
        for item in changed:
            Entry.objects.filter(feed=feed, entry_id=item.entry_id).update(**item_columns(item))
        make_room(feed, [item.entry_id for item in document.items], len(known) + len(new))
        news = {"changed_at": now} if new or changed else {}
        _write(feed, **feed_columns(document, headers), **news, fetched_at=now, title=feed.title or document.title)
    return Stored(len(new), len(changed), len(document.items) - len(new) - len(changed))


def unchanged(feed: Feed) -> None:
    _write(feed, fetched_at=timezone.now(), problem="")


def mark_gone(feed: Feed, reason: str) -> None:
    """The feed is not fetched any more, until somebody switches it on again."""
    _write(feed, status=Feed.Status.OFF, off_reason=reason, problem="")


def failed(feed: Feed, problem: str) -> None:
    """Write what went wrong for the feed's page. It is not tried again when another writer was quicker."""
    if feed.problem != problem:
        Feed.objects.guarded_update(feed, problem=storable.text(problem, 500))


def item_columns(item: Item) -> dict[str, object]:
    return {name: getattr(item, name) for name in item.__slots__}


def feed_columns(document: Document, headers: Mapping[str, str]) -> dict[str, str]:
    """What the feed and its server say of it; validators are kept as they came, unless they could not be sent back."""
    etag, last_modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    return {
        "format": document.format,
        "site": document.site,
        "problem": "",
        "etag": etag if len(etag) <= 500 and etag.isprintable() else "",
        "last_modified": last_modified if len(last_modified) <= 100 and last_modified.isprintable() else "",
    }


def make_room(feed: Feed, listed: list[str], count: int) -> None:
    if count > MOST_KEPT:
        unlisted = Entry.objects.filter(feed=feed).exclude(entry_id__in=listed).order_by("at", "id")
        Entry.objects.filter(pk__in=list(unlisted.values_list("pk", flat=True)[: count - MOST_KEPT])).delete()


def _write(feed: Feed, **columns: object) -> None:
    if not Feed.objects.guarded_update(feed, **columns):
        raise Changed

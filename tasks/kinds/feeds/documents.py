"""A feed's document, from bytes to entries: RSS, Atom or JSON Feed, and nothing that costs more than it may.

Knows no models and no HTTP; each format has a module of its own.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.engine import storable
from tasks.fetch.decompress import Inflater, Undecodable
from tasks.kinds.feeds import json_feed, xml_feed
from tasks.kinds.feeds.encodings import decoded
from tasks.kinds.feeds.refusals import LARGEST, MOST_ENTRIES, RefusedDocument

__all__ = ["MOST_ENTRIES", "Document", "Item", "RefusedDocument", "read"]

GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Item:
    """One entry, clean. ``digest`` changes with anything that the feed says of it."""

    entry_id: str
    title: str
    link: str
    author: str
    html: str
    published_at: datetime | None
    digest: str


@dataclass(frozen=True, slots=True)
class Document:
    """What a feed says: its own title and page, and its entries, each id once."""

    format: str
    title: str
    site: str
    items: list[Item] = field(default_factory=list)
    left_out: int = 0  # entries after the first MOST_ENTRIES


def read(body: bytes, content_type: str = "", base: str = "") -> Document:
    """RefusedDocument if it is no feed, or one that would cost too much. ``base`` makes relative links whole."""
    text = decoded(_unpacked(body), content_type)
    del body
    form = json_feed if text.lstrip()[:1] == "{" else xml_feed
    found = form.read(text, base)
    left_out = max(0, found["listed"] - MOST_ENTRIES)
    return Document(found["format"], found["title"], found["site"], _items(found["items"]), left_out)


def _unpacked(body: bytes) -> bytes:
    """A feed that lies on its server as a gzip file comes without a word about it."""
    if not body.startswith(GZIP):
        return body
    inflater, pieces, size = Inflater("gzip"), [], 0
    try:
        for piece in inflater.feed(body):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST:
                raise RefusedDocument("too-large", f"Decompressed, the feed has more than {LARGEST:,} bytes.")
        inflater.end()
    except Undecodable:
        raise RefusedDocument("malformed", "The feed is a gzip file that is damaged.") from None
    return b"".join(pieces)


def _items(listed: list[dict[str, Any]]) -> list[Item]:
    """Each id once: what a feed lists twice under one id is one entry, and its newest text counts."""
    links = Counter(raw["link"] for raw in listed if not raw["id"])
    kept: dict[str, tuple[datetime | None, Item]] = {}
    for raw in listed:
        item, changed_at = _item(raw, links), raw["changed_at"]
        before, _ = kept.get(item.entry_id, (None, item))
        if item.entry_id not in kept or (before and changed_at and changed_at > before):
            kept[item.entry_id] = changed_at, item
    return [item for _, item in kept.values()]


def _item(raw: dict[str, Any], links: Counter[str]) -> Item:
    """An entry without an id is known by its link if no other such entry has it, else by all that it says."""
    said = {name: raw[name] for name in ("title", "link", "author", "html", "published_at")}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    known_by = raw["id"].strip() or (raw["link"] if links[raw["link"]] == 1 else "")
    entry_id = storable.text(known_by or digest, 20_000)
    if len(entry_id) > 500:
        entry_id = f"sha256:{hashlib.sha256(entry_id.encode()).hexdigest()}"
    return Item(entry_id=entry_id, digest=digest, **said)

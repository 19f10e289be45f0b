"""A feed's document, from bytes to entries: RSS, Atom or JSON Feed, and nothing that costs more than it may.

Entities, depth and numbers are checked by one pass of a plain parser before the library sees the document; what is
refused is refused with a named reason. Knows no models and no HTTP.
"""

import calendar
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xml.parsers import expat

import feedparser

from tasks.engine import storable
from tasks.kinds.feeds.texts import absolute, clean, decoded, paragraphs, plain

MOST_ENTRIES = 500  # of one document: the first, which are the newest everywhere
MOST_ELEMENTS = 50_000  # attributes count as well: the library takes a tenth of a millisecond for each
MOST_ATTRIBUTES = 100  # of one element
DEEPEST = 100
LONG_TAG = re.compile(rb"<[A-Za-z][^<>]{20000}")
DECLARATION = re.compile(r"<\?xml\b[^>]{0,200}\?>")  # speaks of the encoding that the bytes had
JSON_CHARACTERS = 4_000_000  # a list of empty objects takes forty times its length


class RefusedDocument(Exception):
    """Not a feed that is read; ``reason`` names why, the text is one sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


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
    text = decoded(body, content_type)
    if text.lstrip()[:1] == "{":
        return _from_json(text, base)
    return _from_xml(text, base)


# --- RSS and Atom ----------------------------------------------------------------------------------------------


def _from_xml(text: str, base: str) -> Document:
    text = text.lstrip()
    declared = DECLARATION.match(text)
    data = text[declared.end() if declared else 0 :].lstrip().encode()
    inspect(data)
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": base}
    try:
        found = feedparser.parse(
            io.BytesIO(data), response_headers=headers, resolve_relative_uris=False, sanitize_html=False
        )
    except (RecursionError, ValueError, AssertionError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise RefusedDocument("malformed", f"The feed cannot be read ({type(error).__name__}).") from None
    if not found.get("version"):
        what = "an HTML page" if b"<html" in data[:2000].lower() else "no RSS, Atom or JSON Feed"
        raise RefusedDocument("not-a-feed", f"What the address leads to is {what}.")
    site = absolute(found.feed.get("link"), base)
    items = [_xml_item(entry, site or base) for entry in found.entries[:MOST_ENTRIES]]
    return _document(found.version, found.feed.get("title"), site, items, len(found.entries))


def inspect(data: bytes) -> None:
    """Refuses document types, with all the entities that hide in them, and documents that are too deep or too many."""
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1 + len(attributes)
        if depth > DEEPEST:
            raise RefusedDocument("too-deep", f"The feed nests more than {DEEPEST} elements.")
        if elements > MOST_ELEMENTS or len(attributes) > MOST_ATTRIBUTES:
            raise _too_many()

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: Any) -> None:
        raise RefusedDocument("doctype", "The feed has a document type: entities could hide in it.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError:  # not well-formed: the library mends what it can, but nothing may hide before the root
        costly = (data.count(b"<"), data.count(b"=") // 4, data.count(b"&") // 4)
        if max(costly) > MOST_ELEMENTS or LONG_TAG.search(data):
            raise _too_many() from None
        head = data[: next((i for i in _starts(data)), len(data))].lower()
        if b"<!doctype" in head or b"<!entity" in head:
            doctype()


def _starts(data: bytes) -> Iterable[int]:
    """Where elements begin."""
    at = data.find(b"<")
    while at >= 0:
        if data[at + 1 : at + 2].isalpha():
            yield at
        at = data.find(b"<", at + 1)


def _too_many() -> RefusedDocument:
    return RefusedDocument("too-many-elements", f"The feed has more than {MOST_ELEMENTS:,} elements and attributes.")


def _xml_item(entry: Mapping[str, Any], base: str) -> dict[str, Any]:
    contents = entry.get("content") or [entry.get("summary_detail") or {}]
    best = max(contents, key=lambda content: len(content.get("value") or ""))
    value = best.get("value") or ""
    return {
        "id": entry.get("id"),
        "title": entry.get("title"),
        "link": absolute(entry.get("link"), base),
        "author": entry.get("author"),
        "html": clean(paragraphs(value) if best.get("type") == "text/plain" else value, base),
        "published_at": _moment(entry.get("published_parsed") or entry.get("updated_parsed")),
    }


def _moment(parsed: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None


# --- JSON Feed -------------------------------------------------------------------------------------------------


def _from_json(text: str, base: str) -> Document:
    if len(text) > JSON_CHARACTERS:
        raise RefusedDocument("too-large", f"The feed is JSON of more than {JSON_CHARACTERS:,} characters.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedDocument("malformed", "The feed is not valid JSON, or nested too deeply.") from None
    del text
    if not str(found.get("version", "")).startswith(("https://jsonfeed.org/version/", "http://jsonfeed.org/version/")):
        raise RefusedDocument("not-a-feed", "What the address leads to is JSON, but no JSON Feed.")
    listed = found.get("items")
    listed = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    site = absolute(found.get("home_page_url"), base)
    items = [_json_item(item, site or base) for item in listed[:MOST_ENTRIES]]
    return _document("json", found.get("title"), site, items, len(listed))


def _json_item(item: Mapping[str, Any], base: str) -> dict[str, Any]:
    authors = [item.get("author"), *(item["authors"] if isinstance(item.get("authors"), list) else [])]
    names = [str(author["name"]) for author in authors if isinstance(author, dict) and author.get("name")]
    text = item.get("content_html") or paragraphs(str(item.get("content_text") or item.get("summary") or ""))
    return {
        "id": item.get("id"),
        "title": item.get("title"),
        "link": absolute(item.get("url") or item.get("external_url"), base),
        "author": ", ".join(names),
        "html": clean(str(text), base),
        "published_at": _date(item.get("date_published") or item.get("date_modified")),
    }


def _date(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text)[:40])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# --- both ------------------------------------------------------------------------------------------------------


def _document(format: str, title: Any, site: str, items: Iterable[dict[str, Any]], listed: int) -> Document:
    kept: dict[str, Item] = {}
    for raw in items:
        item = _item(raw)
        kept.setdefault(item.entry_id, item)
    return Document(format, plain(title, 300), site, list(kept.values()), max(0, listed - MOST_ENTRIES))


def _item(raw: dict[str, Any]) -> Item:
    """An entry without an id is known by its link, else by all that it says."""
    said = {
        "title": plain(raw["title"], 500),
        "link": raw["link"],
        "author": plain(raw["author"], 200),
        "html": raw["html"],
        "published_at": raw["published_at"],
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    entry_id = storable.text(str(raw["id"] or raw["link"] or digest).strip(), 20_000)
    if len(entry_id) > 500:
        entry_id = f"sha256:{hashlib.sha256(entry_id.encode()).hexdigest()}"
    return Item(entry_id=entry_id, digest=digest, **said)

"""RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, and what is nearly one of them.

``references`` mends what XML has no word for, ``inspect`` refuses what would cost too much, and the library reads the
rest. It resolves no links in content and cleans no HTML: that is done here, by one set of rules for all formats.
"""

import io
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urljoin
from xml.parsers import expat

from tasks.kinds.feeds import references
from tasks.kinds.feeds.dates import moment
from tasks.kinds.feeds.refusals import DEEPEST, MOST_ATTRIBUTES, MOST_ELEMENTS, MOST_ENTRIES, RefusedDocument, too_many
from tasks.kinds.feeds.texts import absolute, clean, has_markup, one_line, paragraphs, plain

LONG_TAG = re.compile(rb"<[A-Za-z][^<>]{20000}")
DECLARATION = re.compile(r"<\?xml\b[^>]{0,200}\?>")  # speaks of the encoding that the bytes had
HEAD = 2_000  # characters in which a page says what it is
PAGE = re.compile(r"\s*(?:<!--.{0,1000}?-->\s*)*(?:<!doctype\s+html\b|<html\b)", re.IGNORECASE | re.DOTALL)
# A document type that only names a file, as RSS 0.91 demands it. Nothing is ever fetched for it.
BARE_DOCTYPE = re.compile(
    r"""<!DOCTYPE\s+[\w:.-]{1,50}(?:\s+(?:PUBLIC|SYSTEM)(?:\s*(?:"[^"<>\[]{0,300}"|'[^'<>\[]{0,300}')){1,2})?\s*>"""
)


def read(text: str, base: str) -> dict[str, Any]:
    """What the feed says, as ``documents`` wants it; RefusedDocument if it is none, or costs too much."""
    from feedparser import parse

    text = text.lstrip()
    if declared := DECLARATION.match(text):
        text = text[declared.end() :].lstrip()
    if PAGE.match(text[:HEAD]):
        raise _page()
    text = BARE_DOCTYPE.sub("", text[:HEAD], count=1) + text[HEAD:]
    data = references.mended(text).encode()
    del text
    root = inspect(data)
    if root == "html":
        raise _page()
    is_atom = root == "feed"
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": base if is_atom else ""}
    try:
        found = parse(io.BytesIO(data), response_headers=headers, resolve_relative_uris=False, sanitize_html=False)
    except (RecursionError, ValueError, AssertionError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise RefusedDocument("malformed", f"The feed cannot be read ({type(error).__name__}).") from None
    if not found.get("version"):
        raise RefusedDocument("not-a-feed", "What the address leads to is no RSS, Atom or JSON Feed.")
    site = absolute(found.feed.get("link"), base)
    author = (found.feed.get("author") or "") if is_atom else ""
    return {
        "format": found.version,
        "title": _title(found.feed, 300),
        "site": site,
        "items": [_item(entry, base if is_atom else site or base, author) for entry in found.entries[:MOST_ENTRIES]],
        "listed": len(found.entries),
    }


def inspect(data: bytes) -> str:
    """Refuses document types, with all the entities that hide in them, and documents that are too deep or too many.

    Returns the name of the root element, without its prefix.
    """
    depth = elements = 0
    root = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements, root
        depth, elements, root = depth + 1, elements + 1 + len(attributes), root or name
        if depth > DEEPEST:
            raise RefusedDocument("too-deep", f"The feed nests more than {DEEPEST} elements.")
        if elements > MOST_ELEMENTS or len(attributes) > MOST_ATTRIBUTES:
            raise too_many()

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
            raise too_many() from None
        head = data[: next((i for i in _starts(data)), len(data))].lower()
        if b"<!doctype" in head or b"<!entity" in head:
            doctype()
    return root.rpartition(":")[2].lower()


def _starts(data: bytes) -> Iterable[int]:
    """Where elements begin."""
    at = data.find(b"<")
    while at >= 0:
        if data[at + 1 : at + 2].isalpha():
            yield at
        at = data.find(b"<", at + 1)


def _page() -> RefusedDocument:
    return RefusedDocument("not-a-feed", "What the address leads to is an HTML page.")


def _item(entry: Mapping[str, Any], base: str, author: str) -> dict[str, Any]:
    best = _content(entry)
    value = best.get("value") or ""
    published, updated = dict.get(entry, "published"), dict.get(entry, "updated")  # its own get() mixes them up
    is_text = best.get("type") == "text/plain" or not has_markup(value)
    return {
        "id": str(entry.get("id") or ""),
        "title": _title(entry, 500),
        "link": _link(entry, base),
        "author": one_line(_author(entry) or author, 200),
        "html": clean(paragraphs(value) if is_text else value, urljoin(base, best.get("base") or "")),
        "published_at": moment(published, updated, entry.get("created")),
        "changed_at": moment(updated, published),
    }


def _content(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The longest of what the entry gives as its content, or else its summary."""
    contents = [content for content in entry.get("content") or () if (content.get("value") or "").strip()]
    return max(contents, key=lambda content: len(content["value"]), default=entry.get("summary_detail") or {})


def _title(said: Mapping[str, Any], limit: int) -> str:
    is_text = (said.get("title_detail") or {}).get("type") == "text/plain"
    return (one_line if is_text else plain)(said.get("title"), limit)


def _link(entry: Mapping[str, Any], base: str) -> str:
    """A guid that was not said to be no link is one only if it looks like one."""
    link = entry.get("link")
    if entry.get("guidislink") and link == entry.get("id"):
        return absolute(link)
    return absolute(link, base)


def _author(entry: Mapping[str, Any]) -> str:
    names = [author.get("name") for author in entry.get("authors") or ()]
    return ", ".join(dict.fromkeys(filter(None, names))) or str(entry.get("author") or "")

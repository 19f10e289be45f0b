"""JSON Feed, versions 1 and 1.1: its titles and names are plain text, its dates those of RFC 3339."""

import json
from collections.abc import Mapping
from typing import Any

from tasks.kinds.feeds.dates import moment
from tasks.kinds.feeds.refusals import JSON_CHARACTERS, MOST_ENTRIES, RefusedDocument
from tasks.kinds.feeds.texts import absolute, clean, one_line, paragraphs

VERSIONS = ("https://jsonfeed.org/version/", "http://jsonfeed.org/version/")


def read(text: str, base: str) -> dict[str, Any]:
    """What the feed says, as ``documents`` wants it; RefusedDocument if it is none."""
    if len(text) > JSON_CHARACTERS:
        raise RefusedDocument("too-large", f"The feed is JSON of more than {JSON_CHARACTERS:,} characters.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedDocument("malformed", "The feed is not valid JSON, or nested too deeply.") from None
    del text
    if not _said(found.get("version")).startswith(VERSIONS):
        raise RefusedDocument("not-a-feed", "What the address leads to is JSON, but no JSON Feed.")
    listed = found.get("items")
    listed = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    site = absolute(found.get("home_page_url"), base)
    authors = _authors(found)
    return {
        "format": "json",
        "title": one_line(_said(found.get("title")), 300),
        "site": site,
        "items": [_item(item, site or base, authors) for item in listed[:MOST_ENTRIES]],
        "listed": len(listed),
    }


def _item(item: Mapping[str, Any], base: str, authors: str) -> dict[str, Any]:
    html, text = _said(item.get("content_html")), _said(item.get("content_text")) or _said(item.get("summary"))
    return {
        "id": _said(item.get("id")),
        "title": one_line(_said(item.get("title")), 500),
        "link": absolute(_said(item.get("url")) or _said(item.get("external_url")), base),
        "author": one_line(_authors(item) or authors, 200),
        "html": clean(html or paragraphs(text), base),
        "published_at": moment(_said(item.get("date_published")), _said(item.get("date_modified"))),
        "changed_at": moment(_said(item.get("date_modified")), _said(item.get("date_published"))),
    }


def _authors(said: Mapping[str, Any]) -> str:
    """Version 1 has one ``author``, 1.1 a list of them; those of the feed stand for an item that names none."""
    listed = [*(said["authors"] if isinstance(said.get("authors"), list) else []), said.get("author")]
    names = [_said(author.get("name")) for author in listed if isinstance(author, dict)]
    return ", ".join(dict.fromkeys(filter(None, names)))


def _said(value: Any) -> str:
    """A text; an id may have been written as a number. Anything else says nothing."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""

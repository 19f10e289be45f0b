"""What other people wrote, made fit to be stored and shown: HTML to safe HTML, HTML to plain words.

Knows no models. Images are left out: they would tell their server who reads.
"""

import html
import re
from urllib.parse import urljoin, urlsplit

import nh3

from tasks.engine import storable
from tasks.kinds.feeds.references import joined

HTML_CHARACTERS = 200_000  # of one entry
TAGS = {
    "a", "abbr", "b", "blockquote", "br", "cite", "code", "dd", "del", "dl", "dt", "em", "h3", "h4", "h5", "h6",
    "hr", "i", "ins", "kbd", "li", "ol", "p", "pre", "q", "samp", "small", "strong", "sub", "sup", "table",
    "tbody", "td", "th", "thead", "tr", "u", "ul", "var",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "abbr": {"title"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
SCHEMES = {"http", "https", "mailto"}
# Names that are markup although nothing of them is kept; unknown ones (`List<T>`) are words.
DROPPED = {
    "article", "aside", "audio", "big", "body", "button", "caption", "center", "col", "colgroup", "details", "dfn",
    "div", "embed", "figcaption", "figure", "font", "footer", "form", "h1", "h2", "head", "header", "html", "iframe",
    "img", "input", "label", "link", "main", "mark", "math", "meta", "nav", "noscript", "object", "option", "picture",
    "s", "script", "section", "select", "source", "span", "strike", "style", "summary", "svg", "textarea", "tfoot",
    "time", "title", "tt", "video", "wbr",
}  # fmt: skip
KNOWN = TAGS | DROPPED
TAG = re.compile(r"</?([a-z][a-z0-9]{0,10})(?=[\s/>])", re.IGNORECASE)
REFERENCE = re.compile(r"&(?:#\w{1,8}|\w{1,32});|<!--")


def clean(dirty: str, base: str = "") -> str:
    """HTML that may stand in one of our pages: a few harmless tags, links made whole with ``base``."""

    def kept(tag: str, attribute: str, value: str) -> str | None:
        return absolute(value, base) or None if attribute == "href" else value[:300]

    return nh3.clean(
        storable.text(joined(dirty), HTML_CHARACTERS),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=kept,
        clean_content_tags={"script", "style", "title", "textarea", "iframe", "noscript", "template"},
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow ugc",
    )


def plain(dirty: object, limit: int) -> str:
    """HTML as one line of text without any markup; a template's escaping does the rest."""
    return one_line(html.unescape(nh3.clean(joined(str(dirty or "")[: limit * 20]), tags=set())), limit)


def one_line(text: object, limit: int) -> str:
    """Plain text as one line, with all that stands in angle brackets."""
    return storable.text(" ".join(str(text or "")[: limit * 20].split()), limit)


def has_markup(text: str) -> bool:
    """True if a text has a tag or a reference of HTML; without one it is plain text, whatever it was said to be."""
    return any(tag[1].lower() in KNOWN for tag in TAG.finditer(text)) or REFERENCE.search(text) is not None


def paragraphs(text: str) -> str:
    """Plain text as HTML."""
    return "".join(f"<p>{html.escape(part.strip())}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())


def absolute(link: object, base: str = "", limit: int = 2000) -> str:
    """A web address to go to; "" for none, and for other schemes."""
    link = str(link or "").strip()
    if not link:
        return ""
    try:
        whole = urljoin(base, link)
        scheme = urlsplit(whole).scheme.lower()
    except ValueError:
        return ""
    return whole if scheme in SCHEMES and len(whole) <= limit and whole.isprintable() else ""

"""What other people wrote, made fit to be stored and shown: bytes to text, HTML to safe HTML, HTML to plain words.

Knows no feeds and no models. Images are left out: they would tell their server who reads.
"""

import codecs
import html
import re
from urllib.parse import urljoin, urlsplit

import nh3

from tasks.engine import storable

HTML_CHARACTERS = 200_000  # of one entry
TAGS = {
    "a", "abbr", "b", "blockquote", "br", "cite", "code", "dd", "del", "dl", "dt", "em", "h3", "h4", "h5", "h6",
    "hr", "i", "ins", "kbd", "li", "ol", "p", "pre", "q", "samp", "small", "strong", "sub", "sup", "table",
    "tbody", "td", "th", "thead", "tr", "u", "ul", "var",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "abbr": {"title"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
SCHEMES = {"http", "https", "mailto"}
# Python knows more encodings, and some of those take quadratic time (punycode, idna).
ENCODINGS = {
    "ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp1250", "cp1251",
    "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "koi8-r", "koi8-u", "shift_jis", "cp932",
    "euc_jp", "iso2022_jp", "gb2312", "gbk", "gb18030", "big5", "euc_kr", "mac-roman",
    *(f"iso8859-{n}" for n in range(1, 17)),
}  # fmt: skip
MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"),
)  # fmt: skip
DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._-]{1,40})""", re.IGNORECASE)
WANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff]")  # XML has no place for them


def decoded(body: bytes, content_type: str = "") -> str:
    """The text: as its first bytes say, or the answer's header, or its own declaration; UTF-8 and Windows-1252 else.

    Never fails: what fits no encoding is read as Windows-1252 with marks for what that cannot be.
    """
    claimed = [name for mark, name in MARKS if body.startswith(mark)][:1]
    for found in (CHARSET.search(content_type), DECLARED.match(body[:1000])):
        if found:
            claimed.append(found[1] if isinstance(found[1], str) else found[1].decode("ascii"))
    for name in (*claimed, "utf-8"):
        try:
            if codecs.lookup(name).name in ENCODINGS:
                return WANTED.sub("", body.decode(name))
        except (LookupError, UnicodeDecodeError):
            continue
    return WANTED.sub("", body.decode("cp1252", "replace"))


def clean(dirty: str, base: str = "") -> str:
    """HTML that may stand in one of our pages: a few harmless tags, links made whole with ``base``."""

    def kept(tag: str, attribute: str, value: str) -> str | None:
        return absolute(value, base) or None if attribute == "href" else value[:300]

    return nh3.clean(
        storable.text(dirty, HTML_CHARACTERS),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=kept,
        clean_content_tags={"script", "style", "title", "textarea", "iframe", "noscript", "template"},
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow ugc",
    )


def plain(dirty: object, limit: int) -> str:
    """One line of text without any markup; a templates' escaping does the rest."""
    words = html.unescape(nh3.clean(str(dirty or "")[: limit * 20], tags=set()))
    return storable.text(" ".join(words.split()), limit)


def paragraphs(text: str) -> str:
    """Plain text as HTML."""
    return "".join(f"<p>{html.escape(part.strip())}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())


def absolute(link: object, base: str = "", limit: int = 2000) -> str:
    """A web address to go to, or nothing: other schemes do not leave this function."""
    try:
        whole = urljoin(base, str(link or "").strip())
        scheme = urlsplit(whole).scheme.lower()
    except ValueError:
        return ""
    return whole if scheme in SCHEMES and len(whole) <= limit and whole.isprintable() else ""

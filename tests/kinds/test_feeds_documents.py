"""What a feed's document may say and cost: three formats, clean HTML, and named reasons for all that is refused."""

import gzip
import json
import time
from datetime import UTC, datetime

import pytest

from tasks.kinds.feeds import texts
from tasks.kinds.feeds.documents import MOST_ENTRIES, RefusedDocument, read
from tests.support.runs import MOST_MB, alone

RSS = b"""<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>Trains &amp; trams</title><link>https://trains.example/</link>
<item><guid isPermaLink="false">one</guid><title>First &lt;b&gt;train&lt;/b&gt;</title><link>/1</link>
<dc:creator>Ann</dc:creator><pubDate>Mon, 02 Mar 2026 10:00:00 +0100</pubDate>
<description>
&lt;p&gt;Left &lt;a href="/yard"&gt;the yard&lt;/a&gt;
&lt;script&gt;alert(1)&lt;/script&gt;&lt;/p&gt;</description></item>
<item><title>No id</title><link>https://trains.example/2</link></item>
<item><guid isPermaLink="false">one</guid><title>The same id again</title></item>
</channel></rss>"""
ATOM = b"""<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Signals</title><link href="https://signals.example/"/>
<id>urn:x</id><updated>2026-03-01T00:00:00Z</updated>
<entry><id>urn:x:1</id><title>Arm</title><link href="https://signals.example/arm"/><author><name>Bo</name></author>
<updated>2026-03-01T12:30:00Z</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Raised <em>arm</em></p></div></content></entry>
</feed>"""
JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Points",
        "home_page_url": "https://points.example/",
        "items": [
            {"id": 7, "content_text": "One <two>\n\nthree", "date_published": "2026-03-01T12:30:00+02:00"},
            {"id": "8", "url": "/8", "content_html": "<p onclick='x()'>eight</p>", "authors": [{"name": "Cy"}]},
            "nonsense",
        ],
    }
).encode()


def refusal(body: bytes, content_type: str = "") -> str:
    with pytest.raises(RefusedDocument) as caught:
        read(body, content_type)
    assert str(caught.value).endswith(".")
    return caught.value.reason


def test_rss():
    document = read(RSS, "application/rss+xml", "https://trains.example/feed")
    assert (document.format, document.title, document.site) == ("rss20", "Trains & trams", "https://trains.example/")
    first, second = document.items
    assert (first.entry_id, first.title, first.link) == ("one", "First train", "https://trains.example/1")
    assert (first.author, first.published_at) == ("Ann", datetime(2026, 3, 2, 9, tzinfo=UTC))
    assert '<a href="https://trains.example/yard"' in first.html and "alert" not in first.html
    assert second.entry_id == "https://trains.example/2"


def test_atom():
    document = read(ATOM)
    assert (document.format, document.title, len(document.items)) == ("atom10", "Signals", 1)
    entry = document.items[0]
    assert (entry.entry_id, entry.author) == ("urn:x:1", "Bo")
    assert entry.published_at == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert entry.html.strip() == "<p>Raised <em>arm</em></p>"


def test_json_feed():
    document = read(JSON_FEED, "application/feed+json", "https://points.example/feed.json")
    assert (document.format, document.title, document.site) == ("json", "Points", "https://points.example/")
    seven, eight = document.items
    assert (seven.entry_id, seven.html) == ("7", "<p>One &lt;two&gt;</p><p>three</p>")
    assert seven.published_at == datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    assert (eight.link, eight.html, eight.author) == ("https://points.example/8", "<p>eight</p>", "Cy")


def test_the_same_document_has_the_same_digests_and_another_text_another_one():
    digests = [item.digest for item in read(RSS).items]
    assert [item.digest for item in read(RSS).items] == digests
    assert read(RSS.replace(b"Left", b"Came to")).items[0].digest != digests[0]


def titled(encoding: str = "", title: str = "Zug ü") -> str:
    declared = f"<?xml version='1.0' encoding='{encoding}'?>" if encoding else ""
    return f"{declared}<rss><channel><title>{title}</title></channel></rss>"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (titled().encode("iso-8859-1"), "text/xml; charset=latin-1"),
        (titled("koi8-r", "Zug ю").encode("koi8-r"), ""),
        ("\ufeff".encode("utf-16-le") + titled("utf-16").encode("utf-16-le"), ""),
        (titled("utf-16").encode("utf-16-be"), ""),
        (titled().encode("cp1252"), "text/xml"),
        (titled("punycode").encode(), ""),
        (titled("no-such").encode(), ""),
        (titled(title="Zug\x08 ü").encode(), "text/xml; charset=unicode_escape"),
    ],
)
def test_encodings(body, content_type):
    assert read(body, content_type).title in ("Zug ü", "Zug ю")


@pytest.mark.parametrize("bad", [b"& <b>", b"</nothing>", b"<unclosed>", b"\x00"])
def test_a_feed_that_is_not_well_formed_is_read_as_far_as_it_goes(bad):
    document = read(RSS.replace(b"</channel>", bad + b"</channel>"))
    assert document.items[0].entry_id == "one"


def test_an_id_that_is_too_long_for_a_key_is_known_by_its_digest():
    items = read(RSS.replace(b">one<", b">" + b"y" * 600 + b"<")).items
    assert items[0].entry_id.startswith("sha256:") and len(items[0].entry_id) == 71


def test_the_first_entries_are_taken_and_the_rest_counted():
    entries = b"".join(b"<item><guid>%d</guid></item>" % n for n in range(MOST_ENTRIES + 7))
    document = read(b"<rss version='2.0'><channel>" + entries + b"</channel></rss>")
    assert (len(document.items), document.left_out) == (MOST_ENTRIES, 7)
    assert document.items[0].entry_id == "0"


BOMB = (
    b'<!DOCTYPE l [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]><rss><channel><title>&j;</title></channel></rss>"
)
QUADRATIC = b'<!DOCTYPE x [<!ENTITY a "' + b"x" * 50_000 + b'">]><rss>' + b"&a;" * 50_000 + b"</rss>"
EXTERNAL = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><channel><title>&a;</title></channel></rss>'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BOMB, "doctype"),
        (b'<?xml version="1.0"?>\n' + BOMB, "doctype"),
        (("\ufeff" + BOMB.decode()).encode("utf-16-le"), "doctype"),
        (BOMB.replace(b"</rss>", b"& </rss>"), "doctype"),
        (BOMB.replace(b"<!DOCTYPE", b"<!doctype").replace(b"</rss>", b""), "doctype"),
        (QUADRATIC, "doctype"),
        (EXTERNAL, "doctype"),
        (b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><rss/>', "doctype"),
        (b"<a>" * 101, "too-deep"),
        (b"<rss>" + b"<a/>" * 60_000 + b"</rss>", "too-many-elements"),
        (b"<rss>" + b"<a/>" * 60_000 + b"& </rss>", "too-many-elements"),
        (b"<rss><a " + b" ".join(b"a%d='1'" % n for n in range(101)) + b"/></rss>", "too-many-elements"),
        (b"<rss><a " + b"b" * 30_000 + b" &", "too-many-elements"),
        (b"<!doctype html><html><body>Hello</body></html>", "not-a-feed"),
        (b'<!DOCTYPE html [<!ENTITY a "b">]><html><body>&a;</body></html>', "not-a-feed"),
        (b"<html><body>Hello</body></html>", "not-a-feed"),
        (b"", "not-a-feed"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "not-a-feed"),
        (b'{"hello": 1}', "not-a-feed"),
        (b'{"version": ["https://jsonfeed.org/version/1"]}', "not-a-feed"),
        (b"{nonsense", "malformed"),
        (b'{"a":' * 100_000, "malformed"),
        (b'{"version": 1' + b"1" * 5_000 + b"}", "malformed"),
        (b'{"x": "' + b"y" * 4_000_001 + b'"}', "too-large"),
    ],
)
def test_what_is_refused_has_a_name(body, reason):
    assert refusal(body) == reason


def in_rss(inside: bytes) -> bytes:
    return b"<rss version='2.0'><channel>" + inside + b"</channel></rss>"


HOSTILE = {
    "bomb": lambda: BOMB,
    "quadratic": lambda: QUADRATIC,
    "external": lambda: EXTERNAL,
    "deep": lambda: in_rss(b"<a>" * 1_000_000),
    "elements": lambda: in_rss(b"<a/>" * 1_200_000),
    "attributes": lambda: in_rss(b"<item " + b" ".join(b"a%d='1'" % n for n in range(350_000)) + b"/>"),
    "namespaces": lambda: in_rss(b"".join(b"<item xmlns:a%d='http://u%d'/>" % (n, n) for n in range(24_000))),
    "empty items": lambda: in_rss(b"<item/>" * 49_000),
    "broken items": lambda: in_rss(b"& " + b"<item>" * 49_000),
    "ampersands": lambda: in_rss(b"<item><description>" + b"&" * 190_000 + b"x" * 4_500_000 + b"</description></item>"),
    "numbers": lambda: in_rss(b"<item><description>" + b"&#65;" * 980_000 + b"</description></item>"),
    "halves": lambda: in_rss(b"<item><description>" + b"&#55357;&#56832;" * 310_000 + b"</description></item>"),
    "cdata": lambda: in_rss(b"<item><description>" + b"<![CDATA[" * 500_000 + b"</description></item>"),
    "closed cdata": lambda: in_rss(b"<item><description>" + b"<![CDATA[]]>&#9;" * 290_000 + b"</description></item>"),
    "one byte wrong": lambda: in_rss(b"<item><description>\xff" + "ü".encode() * 2_400_000 + b"</description></item>"),
    "utf-16": lambda: (
        in_rss(b"<item><description>" + b"x" * 2_400_000 + b"</description></item>").decode().encode("utf-16")
    ),
    "utf-32": lambda: (
        in_rss(b"<item><description>" + b"x" * 1_200_000 + b"</description></item>").decode().encode("utf-32")
    ),
    "gb18030": lambda: b"<?xml version='1.0' encoding='gbk'?>" + in_rss("囍".encode("gbk") * 2_400_000),
    "iso-2022-jp": lambda: b"<?xml version='1.0' encoding='iso-2022-jp'?>" + in_rss(b"\x1b$B\x1b(B" * 800_000),
    "gzip": lambda: gzip.compress(in_rss(b"<item><description>" + b"&amp;" * 980_000 + b"</description></item>")),
    "html": lambda: in_rss((b"<item><description><![CDATA[" + b"<b><i>" * 16_000 + b"]]></description></item>") * 45),
    "tables": lambda: in_rss(
        (b"<item><description><![CDATA[" + b"<table><tr><td>" * 6_500 + b"]]></description></item>") * 45
    ),
    "text": lambda: in_rss(b"<item><description>" + "😀".encode() * 1_200_000 + b"</description></item>"),
    "objects": lambda: b'{"version":"https://jsonfeed.org/version/1","items":[' + b"{}," * 1_300_000 + b"{}]}",
    "small objects": lambda: b'{"version":"https://jsonfeed.org/version/1","items":[' + b'{"a":1},' * 480_000 + b"{}]}",
    "keys": lambda: (
        b'{"version":"https://jsonfeed.org/version/1",' + b",".join(b'"%d":0' % n for n in range(340_000)) + b"}"
    ),
}
MEASURED = """
import pathlib
from tasks.kinds.feeds.documents import RefusedDocument, read
try:
    print("read", len(read(pathlib.Path(sys.argv[1]).read_bytes()).items))
except RefusedDocument as refused:
    print(refused.reason)
"""


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize("name", HOSTILE)
def test_no_document_takes_more_memory_than_allowed(name, tmp_path, record_property):
    document = HOSTILE[name]()
    assert len(document) <= 5_000_000  # what the fetcher lets through
    (tmp_path / "feed").write_bytes(document)
    said, peak = alone(MEASURED, str(tmp_path / "feed"))
    record_property("peak_mb", peak)
    assert peak <= MOST_MB, f"{name}: {peak} MB ({said})"


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("<img src='http://spy.example/1.gif'>text", "text"),
        ("<a href='javascript:alert(1)'>x</a>", "x"),
        ("<a href=' java\nscript:alert(1)'>x</a>", "x"),
        ("<a href='data:text/html,x'>x</a>", "x"),
        ("<svg onload=alert(1)><p>x</p></svg>", "<p>x</p>"),
        ("<style>p{}</style><p style='color:red' class=a id=b>x", "<p>x</p>"),
        ("<iframe src='//x'>x</iframe>y", "y"),
        ("<form action='/logout/'><button>x</button></form>", "x"),
        ("<math><mi//xlink:href='data:x,<script>alert(1)</script>'>", ""),
        ("a\x00b\ud800", "a\ufffdb?"),
    ],
)
def test_nothing_that_acts_is_left_in_html(dirty, clean):
    found = texts.clean(dirty)
    assert found.replace(' rel="noopener noreferrer nofollow ugc"', "").replace("<a>x</a>", "x") == clean


def test_links_are_made_whole():
    assert 'href="https://x.example/a/b"' in texts.clean("<a href='b'>x</a>", "https://x.example/a/")
    assert texts.absolute("//evil.example/\n", "https://x.example") == "https://evil.example/"
    assert texts.absolute("http://[bad", "https://x.example") == ""
    assert texts.absolute("ftp://x.example/") == texts.absolute("x" * 3000, "https://x.example/") == ""


def test_white_space_takes_no_time():
    began = time.process_time()
    with pytest.raises(RefusedDocument):
        read(b" " * 5_000_000 + b"<!-")
    assert time.process_time() - began < 2

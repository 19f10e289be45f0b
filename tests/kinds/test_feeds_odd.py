"""Feeds as they are in the world: what is nearly right is read as its author meant it, by the standards."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.kinds.feeds.dates import moment
from tasks.kinds.feeds.documents import RefusedDocument, read

SITE = "https://trains.example/"
FEED = "https://feeds.example/trains/all.xml"


def rss(inside: str, *, head: str = "", channel: str = f"<link>{SITE}</link>", version: str = "2.0") -> bytes:
    return f"{head}<rss version='{version}'><channel>{channel}{inside}</channel></rss>".encode()


def atom(inside: str, attributes: str = "") -> bytes:
    return f"<feed xmlns='http://www.w3.org/2005/Atom'{attributes}>{inside}</feed>".encode()


def feed(*items: Any, **more: Any) -> bytes:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items, **more}).encode()


def one(body: bytes, content_type: str = "", base: str = FEED) -> Any:
    (item,) = read(body, content_type, base).items
    return item


def titles(body: bytes) -> list[str]:
    return [item.title for item in read(body, "", FEED).items]


# --- who an entry is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        rss("<item><title>A</title></item><item><title>B</title></item>"),
        rss("<item><title>A</title><guid/></item><item><title>B</title><link> </link></item>"),
        rss(f"<item><title>A</title><link>{SITE}</link></item><item><title>B</title><link>{SITE}</link></item>"),
        atom("<entry><title>A</title></entry><entry><title>B</title></entry>"),
        feed({"title": "A"}, {"title": "B"}, home_page_url=SITE),
        feed({"title": "A", "id": None}, {"title": "B", "id": ""}),
    ],
)
def test_entries_without_id_and_link_are_entries_of_their_own(body: bytes) -> None:
    assert titles(body) == ["A", "B"]


def test_what_has_no_link_gets_none() -> None:
    for body in (rss("<item><title>A</title></item>"), atom("<entry><title>A</title></entry>"), feed({"title": "A"})):
        assert one(body).link == ""
    assert read(rss("", channel=""), "", FEED).site == ""


def test_an_id_is_taken_as_it_was_written() -> None:
    assert one(feed({"id": 0, "url": SITE})).entry_id == "0"
    assert one(feed({"id": 9007199254740993})).entry_id == "9007199254740993"
    assert one(rss("<item><guid>12345</guid></item>")).entry_id == "12345"
    assert one(rss("<item><guid>12345</guid></item>")).link == "", "a guid that is no address is no link either"
    assert one(rss(f"<item><guid>{SITE}1</guid></item>")).link == f"{SITE}1"
    assert one(rss(f"<item><guid isPermaLink='false'>{SITE}1</guid></item>")).link == ""
    assert one(rss("<item><guid>12345</guid><link>/1</link></item>")).link == f"{SITE}1"


def test_of_two_entries_with_one_id_the_newer_text_counts() -> None:
    entry = "<entry><id>urn:x:1</id><title>{}</title><updated>2026-03-0{}T00:00:00Z</updated></entry>"
    assert titles(atom(entry.format("old", 1) + entry.format("new", 2))) == ["new"]
    assert titles(atom(entry.format("new", 2) + entry.format("old", 1))) == ["new"]
    assert titles(rss("<item><guid>1</guid><title>first</title></item><item><guid>1</guid></item>")) == ["first"]


# --- characters ------------------------------------------------------------------------------------------------


def declared(label: str, text: str, codec: str) -> bytes:
    return f"<?xml version='1.0' encoding='{label}'?><rss><channel><title>{text}</title></channel></rss>".encode(codec)


@pytest.mark.parametrize(
    ("label", "text", "codec"),
    [
        ("gb2312", "朱镕基 囍", "gbk"),
        ("GBK", "€ 𠮷", "gb18030"),
        ("Big5-HKSCS", "啫喱 嘅", "big5hkscs"),
        ("big5", "嘅", "big5hkscs"),
        ("windows-874", "รถไฟ …", "cp874"),
        ("tis-620", "รถไฟ “ไทย”", "cp874"),
        ("iso-8859-1", "Zürich “€”", "cp1252"),
        ("us-ascii", "Zürich", "cp1252"),
        ("latin1", "Zürich", "cp1252"),
        ("iso-8859-9", "İğne €", "cp1254"),
        ("Shift_JIS", "① 髙﨑", "cp932"),
        ("euc-jp", "① 日本", "euc_jis_2004"),
        ("iso-2022-jp", "日本 ｱ", "iso2022_jp_ext"),
        ("ks_c_5601-1987", "똠방각하", "cp949"),
        ("x-mac-cyrillic", "поезд", "mac-cyrillic"),
        ("macintosh", "Zürich", "mac-roman"),
        ("ibm866", "поезд", "cp866"),
        ("koi8-u", "поїзд", "koi8-u"),
        ("utf-16", "Zürich", "utf-8"),  # the first bytes say otherwise
        ("UTF-16LE", "Zürich", "utf-16"),
        ("utf-8", "Zürich", "utf-16"),
        ("utf-8", "Zürich", "utf-16-be"),
        ("utf-8", "Zürich", "utf-32"),
        ("utf-8", "Zürich", "utf-32-be"),
        ("iso-8859-1", "Zürich", "utf-8-sig"),
        ("utf-7", "Zürich", "utf-8"),
        ("replacement", "Zürich", "utf-8"),
        ("x-user-defined", "Zürich", "utf-8"),
    ],
)
def test_labels_mean_what_the_encoding_standard_says(label: str, text: str, codec: str) -> None:
    assert read(declared(label, text, codec)).title == text


def test_the_label_of_the_answer_comes_before_that_of_the_document() -> None:
    body = declared("utf-8", "поезд", "koi8-r")
    assert read(body, 'application/xml; charset="KOI8-R"').title == "поезд"
    assert read(declared("iso-8859-1", "Zürich", "latin-1"), "text/xml; charset=utf-8").title == "Zürich"
    assert read(declared("iso-8859-1", "Zürich", "utf-8"), "text/xml; charset=utf-8").title == "Zürich"
    assert read(declared("", "Zürich", "utf-8"), "text/xml; charset=no-such").title == "Zürich"
    assert read(feed({}, title="Zürich"), "application/json; charset=iso-8859-1").title == "Zürich"


@pytest.mark.parametrize(
    ("label", "content_type"),
    [("utf-8", ""), ("", ""), ("utf-8", "text/xml; charset=utf-8"), ("iso-8859-1", "text/xml; charset=utf-8")],
)
def test_a_wrong_byte_is_one_mark_and_nothing_else(label: str, content_type: str) -> None:
    for wrong, marks in (
        (b"\xff", "\ufffd"),
        (b"\xc3", "\ufffd"),
        (b"\xe2\x82", "\ufffd"),
        (b"\xff\xff", "\ufffd" * 2),
    ):
        body = declared(label, "Zürich | und Köln", "utf-8").replace(b"|", wrong)
        assert read(body, content_type).title == f"Zürich {marks} und Köln"
    assert read(declared("gbk", "朱镕基|!", "gbk").replace(b"|", b"\xff")).title == "朱镕基\ufffd!"


def test_a_document_that_was_only_compressed_is_read() -> None:
    assert titles(gzip.compress(rss("<item><title>A</title></item>"))) == ["A"]
    with pytest.raises(RefusedDocument) as caught:
        read(gzip.compress(b"<rss>" + bytes(20_000_000)))
    assert caught.value.reason == "too-large"
    with pytest.raises(RefusedDocument) as caught:
        read(gzip.compress(rss(""))[:-9])
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("&#55357;&#56832;", "😀"),
        ("&#xD83D;&#xde00;", "😀"),
        ("<![CDATA[&#55357;&#56832;]]>", "😀"),
        ("a&#65;&#55357;&#56832;&#66;", "aA😀B"),
        ("&#55357; &#56832;x", "\ufffd \ufffdx"),
        ("a&#0;b&#8;c&#1114112;d&#65535;e", "a\ufffdb\ufffdc\ufffdd\ufffde"),
        ("Caf&eacute;&nbsp;&mdash; &check; &LT;3", "Café — ✓ <3"),
        ("AT&T &unknown; x&y", "AT&T &unknown; x&y"),
        ("&amp;eacute;", "é"),
        ("&#146;&#151;", "’—"),
        ("<![CDATA[AT&T &eacute;]]>", "AT&T é"),
    ],
)
def test_references_mean_the_characters_that_were_meant(written: str, meant: str) -> None:
    item = one(rss(f"<item><title>{written}</title><description>{written}</description><link>/?a=1&b=2</link></item>"))
    assert item.title == meant
    assert item.link == f"{SITE}?a=1&b=2"


def test_halves_of_a_character_are_joined_inside_html_too() -> None:
    assert one(rss("<item><description>&lt;p>&amp;#55357;&amp;#56832;&lt;/p></description></item>")).html == "<p>😀</p>"
    assert one(feed({"id": 1, "content_html": "&#55357;&#56832;"})).html == "😀"


# --- text that is not HTML, and HTML that is -------------------------------------------------------------------

GENERIC = "Generic List<T> in C# & <b>bold</b>"


def test_plain_text_keeps_what_stands_in_angle_brackets() -> None:
    escaped = GENERIC.replace("&", "&amp;").replace("<", "&lt;")
    named = feed({"id": 1, "title": GENERIC, "authors": [{"name": "Ann <ann@x.example>"}]}, title=GENERIC)
    assert (read(named).title, one(named).title, one(named).author) == (GENERIC, GENERIC, "Ann <ann@x.example>")
    text = atom(f"<title>{escaped}</title><entry><id>1</id><title type='text'>{escaped}</title></entry>")
    assert (read(text).title, one(text).title) == (GENERIC, GENERIC)
    cdata = atom(f"<entry><id>1</id><title><![CDATA[{GENERIC}]]></title></entry>")
    assert one(cdata).title == GENERIC
    for title in ("Generic List&lt;T> in C#", "<![CDATA[Generic List<T> in C#]]>"):
        assert one(rss(f"<item><title>{title}</title></item>")).title == "Generic List<T> in C#"
    assert one(rss("<item><title>a &lt; b, c &lt;d</title></item>")).title == "a < b, c <d"


def test_markup_in_a_title_is_taken_away_where_it_is_markup() -> None:
    assert one(atom("<entry><title type='html'>A &lt;b>b&lt;/b> &amp;amp; c</title></entry>")).title == "A b & c"
    inside = "<div xmlns='http://www.w3.org/1999/xhtml'>A <b>b</b> &lt;c></div>"
    assert one(atom(f"<entry><title type='xhtml'>{inside}</title></entry>")).title == "A b <c>"
    assert one(rss("<item><title>A &lt;b>b&lt;/b></title></item>")).title == "A b"


def test_a_description_without_markup_is_plain_text() -> None:
    assert (
        one(rss("<item><description>Use List&lt;T> here</description></item>")).html == "<p>Use List&lt;T&gt; here</p>"
    )
    assert "&lt;T&gt;" in one(atom("<entry><summary>Use List&lt;T> &lt;b>now</summary></entry>")).html
    assert one(rss("<item><description>Use &lt;b>bold&lt;/b></description></item>")).html == "Use <b>bold</b>"


def test_an_empty_content_does_not_hide_the_summary() -> None:
    encoded = "xmlns:c='http://purl.org/rss/1.0/modules/content/'"
    assert one(rss(f"<item><description>said</description><c:encoded {encoded}/></item>")).html == "<p>said</p>"
    assert one(atom("<entry><summary>said</summary><content/></entry>")).html == "<p>said</p>"
    assert one(feed({"id": 1, "content_html": "", "summary": "said"})).html == "<p>said</p>"


def test_authors_of_the_feed_stand_for_entries_that_name_none() -> None:
    author = "<author><name>Bo</name></author>"
    assert one(atom(f"{author}<entry><id>1</id></entry>")).author == "Bo"
    assert one(atom(f"{author}<entry><id>1</id><author><name>Cy</name></author></entry>")).author == "Cy"
    assert one(feed({"id": 1}, authors=[{"name": "Bo"}, {"name": "Di"}])).author == "Bo, Di"
    assert one(feed({"id": 1, "author": {"name": "Cy"}}, author={"name": "Bo"})).author == "Cy"


# --- links -----------------------------------------------------------------------------------------------------


def test_relative_links_begin_where_their_format_says() -> None:
    html = "&lt;a href='b'>x&lt;/a>"
    item = one(rss(f"<item><link>a</link><description>{html}</description></item>"))
    assert (item.link, 'href="https://trains.example/b"' in item.html) == (f"{SITE}a", True)
    entry = f"<entry><id>1</id><link href='a'/><content type='html'>{html}</content></entry>"
    item = one(atom(f"<link href='{SITE}'/>{entry}"))
    assert (item.link, 'href="https://feeds.example/trains/b"' in item.html) == ("https://feeds.example/trains/a", True)


@pytest.mark.parametrize(
    ("on_feed", "on_entry", "on_content", "base"),
    [
        ("https://a.example/x/", "", "", "https://a.example/x/"),
        ("https://a.example/x/", "y/", "", "https://a.example/x/y/"),
        ("/z/", "", "", "https://feeds.example/z/"),
        ("", "", "https://c.example/", "https://c.example/"),
        ("https://a.example/x/", "", "c/d", "https://a.example/x/c/"),
        ("javascript:x", "", "", "https://feeds.example/trains/"),
    ],
)
def test_xml_base_is_where_links_of_content_begin(on_feed: str, on_entry: str, on_content: str, base: str) -> None:
    def said(value: str) -> str:
        return f" xml:base='{value}'" if value else ""

    content = f"<content type='html'{said(on_content)}>&lt;a href='b'>x&lt;/a></content>"
    item = one(atom(f"<entry{said(on_entry)}><id>1</id>{content}</entry>", said(on_feed)))
    assert f'href="{base}b"' in item.html


def test_xml_base_counts_in_rss_as_well() -> None:
    inside = (
        "<item xml:base='https://a.example/x/'><link>a</link><description>&lt;a href='b'>x&lt;/a></description></item>"
    )
    item = one(rss(inside))
    assert (item.link, 'href="https://a.example/x/b"' in item.html) == ("https://a.example/x/a", True)


# --- formats ---------------------------------------------------------------------------------------------------

RDF = """<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'
 xmlns:dc='http://purl.org/dc/elements/1.1/'><channel rdf:about='https://trains.example/'><title>T</title>
<link>https://trains.example/</link></channel><item rdf:about='https://trains.example/1'><title>A</title>
<link>https://trains.example/1</link><dc:date>2026-03-02T10:00:00+01:00</dc:date><dc:creator>Ann</dc:creator></item></rdf:RDF>"""
ATOM_03 = """<feed version='0.3' xmlns='http://purl.org/atom/ns#'><title>T</title>
<link rel='alternate' type='text/html' href='https://trains.example/'/><entry><id>tag:x,2003:1</id>
<title type='text/html' mode='escaped'>A &lt;b>b&lt;/b></title><issued>2026-03-02T10:00:00+01:00</issued>
<link rel='alternate' type='text/html' href='https://trains.example/1'/></entry></feed>"""
NETSCAPE = (
    '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" '
    '"http://my.netscape.com/publish/formats/rss-0.91.dtd">\n'
)

ITEM = "<item><title>A</title><link>/1</link></item>"


@pytest.mark.parametrize(
    ("body", "form", "entry_id", "title"),
    [
        (RDF.encode(), "rss10", "https://trains.example/1", "A"),
        (ATOM_03.encode(), "atom03", "tag:x,2003:1", "A b"),
        (
            rss(ITEM, head=NETSCAPE, version="0.91"),
            "rss091u",
            f"{SITE}1",
            "A",
        ),
        (rss(ITEM, version="0.92"), "rss092", f"{SITE}1", "A"),
        (
            rss(ITEM, head="\n\n <?xml version='1.1'?>"),
            "rss20",
            f"{SITE}1",
            "A",
        ),
        (rss(ITEM + "<x:y/>"), "rss20", f"{SITE}1", "A"),
    ],
)
def test_every_format_of_the_field(body: bytes, form: str, entry_id: str, title: str) -> None:
    document = read(body, "", FEED)
    assert (document.format, document.items[0].entry_id, document.items[0].title) == (form, entry_id, title)
    if form in ("rss10", "atom03"):
        assert document.items[0].published_at == datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html><head><title>x</title>",
        b"<!-- a -->\n<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'><p>x",
        b"\xef\xbb\xbf\n<HTML lang=en><body>x",
        b"<?xml version='1.0'?><!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'x.dtd'><html><body/></html>",
        b"<?xml-stylesheet href='x'?><html xmlns='http://www.w3.org/1999/xhtml'><body/></html>",
    ],
)
def test_a_web_page_is_called_one(page: bytes) -> None:
    with pytest.raises(RefusedDocument) as caught:
        read(page)
    assert (caught.value.reason, str(caught.value)) == ("not-a-feed", "What the address leads to is an HTML page.")


# --- dates -----------------------------------------------------------------------------------------------------

NINE = "2026-03-02 09:00:00+00:00"
TEN = "2026-03-02 10:00:00+00:00"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1700000000", "2023-11-14 22:13:20+00:00"),
        ("1700000000000", "2023-11-14 22:13:20+00:00"),
        ("Mon, 02 Mar 2026 10:00:00 +0100", NINE),
        ("Mon, 02 Mar 2026 10:00:00 +01:00", NINE),
        ("Mon, 2 Mar 2026 10:00 GMT", TEN),
        ("2 Mar 26 04:00:00 EST", NINE),
        ("Mon, 02 Mar 2026 10:00:00 CET", NINE),
        ("Mon, 02 Mar 2026 10:00:00 Z", TEN),
        ("Mon, 02 Mar 2026 10:00:00", TEN),
        ("Mon,02 Mar 2026 10:00:00 GMT", TEN),
        ("Monday, 2 March 2026 10:00:00 GMT+1", NINE),
        ("Tue, 02 Mar 2026 10:00:00 +0000 (UTC)", TEN),
        ("Wed, 02 Sept 2026 10:00:00 GMT", "2026-09-02 10:00:00+00:00"),
        ("Sun, 01 Mar 2026 24:00:00 GMT", "2026-03-02 00:00:00+00:00"),
        ("Mon, 02 Mar 2026 08:59:60 GMT", NINE),
        ("Mon Mar  2 10:00:00 2026", TEN),
        ("Mon Mar 02 2026 10:00:00 GMT+0100 (Central European Standard Time)", NINE),
        ("March 2, 2026 09:00 AM", NINE),
        ("March 2, 2026 9:00 p.m.", "2026-03-02 21:00:00+00:00"),
        ("Mon, 02 Mar 99 10:00:00 GMT", "1999-03-02 10:00:00+00:00"),
        ("2026-03-02T10:00:00Z", TEN),
        ("2026-03-02t10:00:00z", TEN),
        ("2026-03-02T10:00:00.000+0100", NINE),
        ("2026-03-02 10:00:00", TEN),
        ("2026/03/02 10:00:00", TEN),
        ("2026-3-2T10:00:00Z", TEN),
        ("2026-03-02T10:00:00 +01:00", NINE),
        ("2026-03-02T08:59:60Z", NINE),
        ("2026-03-02", "2026-03-02 00:00:00+00:00"),
        ("2026-03", "2026-03-01 00:00:00+00:00"),
        ("2026", "2026-01-01 00:00:00+00:00"),
        ("20260302T100000Z", TEN),
        ("9999-12-31T23:59:59Z", "9999-12-31 23:59:59+00:00"),
        ("2026-061", None),
        ("-2026-03-02T10:00:00Z", None),
        ("Wed, 30 Nov -0001 00:00:00 +0000", None),
        ("0001-01-01T00:00:00Z", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("1970-01-01T00:00:00+01:00", None),
        ("Mon, 31 Feb 2026 10:00:00 GMT", None),
        ("Mon, 02 Mar 2026 25:00:00 GMT", None),
        ("Mon, 02 Mar 2026 10:00:00 +9999", None),
        ("02/03/2026", None),
        ("2026년 03월 02일", None),
        ("yesterday", None),
        ("0", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("9" * 60_000, None),
        ("Mar " * 20_000, None),
    ],
)
def test_dates(written: str, meant: str | None) -> None:
    found = moment(written)
    assert (found and str(found)) == meant


def test_dates_are_read_alike_in_every_format() -> None:
    expected = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert one(rss("<item><pubDate>1700000000</pubDate></item>")).published_at == expected
    assert one(atom("<entry><id>1</id><published>1700000000</published></entry>")).published_at == expected
    assert one(feed({"id": 1, "date_published": "1700000000"})).published_at == expected
    both = "<published>nonsense</published><updated>2026-03-02T10:00:00Z</updated>"
    assert str(one(atom(f"<entry><id>1</id>{both}</entry>")).published_at) == TEN

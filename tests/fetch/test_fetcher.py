"""What the shared fetcher makes of real servers: pages, sizes, redirects, posts."""

import asyncio
import gzip
import time
import zlib
from ipaddress import ip_network

import pytest

from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import Fetcher
from tests.support.origins import moved, origin, reason, reply


@pytest.fixture(autouse=True)
def one_address_allowed(settings):
    """Tests may reach 127.0.0.1; nothing else on this machine."""
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]


async def test_a_page_with_its_status_headers_body_size_and_time():
    async with origin(reply(b"hello", "404 Not Found", "X-Kind: test")) as site, Fetcher() as fetcher:
        page = await fetcher.get(f"{site.url}/a?b=c#d", headers={"If-None-Match": '"1"'})
    assert (page.status, page.body, page.size, page.cut, page.hops) == (404, b"hello", 5, False, ())
    assert page.headers["x-kind"] == "test"
    assert page.final_url == f"{site.url}/a?b=c"
    assert 0 < page.seconds < 5
    assert site.heads[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert b'If-None-Match: "1"' in site.heads[0]


async def test_a_body_that_is_only_counted_is_not_kept():
    async with origin(reply(b"x" * 100_000)) as site, Fetcher() as fetcher:
        page = await fetcher.get(site.url, keep=False)
    assert (page.size, page.body) == (100_000, b"")


async def test_a_post_sends_its_body_once_and_cuts_a_long_answer():
    async def speak(reader, writer, head):
        assert await reader.readexactly(4) == b"ping"
        writer.write(reply(b"y" * 200_000))
        await writer.drain()

    async with origin(speak) as site, Fetcher() as fetcher:
        page = await fetcher.post(f"{site.url}/hook", b"ping", {"Content-Type": "text/plain"})
    assert (page.status, page.size, len(page.body), page.cut) == (200, 65536, 65536, True)
    assert b"Content-Length: 4" in site.heads[0]


FAULTY = {
    "packed wrongly": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk",
    "packed unknown": b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\njunk",
    "shorter than said": b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nok",
    "broken chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n",
    "no end of chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "a bomb": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"a" * 20_000_000),
}


@pytest.mark.parametrize("answer", FAULTY.values(), ids=FAULTY)
async def test_a_post_that_was_answered_has_arrived_whatever_the_body_is(answer):
    async with origin(answer) as site, Fetcher() as fetcher:
        page = await fetcher.post(site.url, b"once")
    assert (page.status, page.cut, site.met) == (200, True, 1)
    assert len(page.body) <= 65536


@pytest.mark.long
@pytest.mark.parametrize(("after", "total"), [(0, 1.5), (1, 2.5)], ids=["at once", "just in time"])
async def test_a_post_whose_answer_never_ends_has_arrived_in_seconds(after, total):
    async def speak(reader, writer, head):
        await asyncio.sleep(after)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    began = time.monotonic()
    async with origin(speak) as site, Fetcher(total=total) as fetcher:
        page = await fetcher.post(site.url, b"once")
    assert (page.status, page.cut, page.body[:3]) == (200, True, b"...")
    assert time.monotonic() - began < 6


async def test_a_post_is_not_repeated_when_the_server_hangs_up():
    async with origin(b"") as site, Fetcher() as fetcher:
        with pytest.raises(FetchError) as caught:
            await fetcher.post(site.url, b"once")
    assert (caught.value.reason, site.met) == ("disconnected", 1)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"a" * 300_000)),
        ("x-gzip", gzip.compress(b"a" * 150_000) + gzip.compress(b"a" * 150_000)),
        ("GZIP", gzip.compress(b"a" * 300_000) + b"trailing"),
        ("deflate", zlib.compress(b"a" * 300_000)),
        ("deflate", zlib.compress(b"a" * 300_000)[2:-4]),
        ("identity", b"a" * 300_000),
        ("gzip, identity", gzip.compress(b"a" * 300_000)),
        ("utf-8", b"a" * 300_000),
        ("none", b"a" * 300_000),
        ("identity\r\nContent-Encoding: gzip", gzip.compress(b"a" * 300_000)),
    ],
)
async def test_size_is_counted_after_decompression(encoding, packed):
    async with origin(reply(packed, "200 OK", f"Content-Encoding: {encoding}")) as site, Fetcher() as fetcher:
        page = await fetcher.get(site.url)
    assert page.body == b"a" * 300_000


async def test_a_packed_body_in_the_smallest_chunks():
    async def speak(reader, writer, head):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in gzip.compress(b"slow") + gzip.compress(b"ly"):
            writer.write(b"1\r\n%c\r\n" % byte)
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with origin(speak) as site, Fetcher() as fetcher:
        assert (await fetcher.get(site.url)).body == b"slowly"


async def test_redirects_are_followed_and_reported():
    def says(head: bytes) -> bytes:
        path = head.split()[1]
        return {b"/": moved("/b"), b"/b": moved("c?d#e", "308 Permanent Redirect")}.get(path, reply(b"here"))

    async with origin(says) as site, Fetcher() as fetcher:
        page = await fetcher.get(f"{site.url}/")
    assert (page.body, page.final_url) == (b"here", f"{site.url}/c?d")
    assert [(hop.status, hop.url) for hop in page.hops] == [(302, f"{site.url}/b"), (308, f"{site.url}/c?d")]


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        (b"/caf\xe9?n=\xff", b"/caf%E9?n=%FF"),
        ("/café".encode(), b"/caf%C3%A9"),
        (b"/a b", b"/a%20b"),
        (b"./b/../c", b"/c"),
        (b"  ?q=1#f ", b"/start?q=1"),
        (b"//127.0.0.1:PORT/x", b"/x"),
    ],
)
async def test_a_redirect_leads_to_the_very_bytes_that_it_names(place, asked):
    def says(head: bytes) -> bytes:
        if not head.startswith(b"GET /start HTTP"):
            return reply(head.split()[1])
        there = place.replace(b"PORT", str(site.port).encode())
        return b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + there + b"\r\n\r\n"

    async with origin(says) as site, Fetcher() as fetcher:
        assert (await fetcher.get(f"{site.url}/start")).body == asked


async def test_redirects_end_at_the_limit_with_the_hops_in_the_error():
    async with origin(moved("/again")) as site, Fetcher() as fetcher:
        with pytest.raises(FetchError) as caught:
            await fetcher.get(site.url, redirects=3)
    assert (caught.value.reason, len(caught.value.hops), site.met) == ("too-many-redirects", 3, 4)
    assert caught.value.final_url == f"{site.url}/again"


async def test_redirects_can_be_off_and_are_for_a_post():
    async with origin(moved("/b")) as site, Fetcher() as fetcher:
        assert (await fetcher.get(site.url, redirects=0)).status == 302
        assert (await fetcher.post(site.url, b"")).status == 302
    assert site.met == 2


@pytest.mark.parametrize(
    "place", ["ftp://x/", "http://u:p@x.test/", "http://0x7f.1/", "http://x.test:25/", "http://[::1"]
)
async def test_a_redirect_to_what_is_no_web_address(place):
    async with origin(moved(place)) as site:
        assert await reason(site.url) == "bad-url"


async def test_secret_headers_stay_with_their_origin():
    async with origin(reply(b"end")) as other, origin(moved(f"{other.url}/")) as site, Fetcher() as fetcher:
        await fetcher.get(site.url, headers={"authorization": "Token x", "COOKIE": "a=b", "If-None-Match": "c"})
    assert b"Token x" in site.heads[0] and b"a=b" in site.heads[0]
    assert b"Token" not in other.heads[0] and b"a=b" not in other.heads[0] and b"If-None-Match: c" in other.heads[0]


async def test_cookies_are_not_kept():
    async with (
        origin(lambda head: reply(b"") if b"/b" in head else moved("/b", "302 Found", "Set-Cookie: id=1")) as site,
        Fetcher() as fetcher,
    ):
        await fetcher.get(site.url)
        await fetcher.get(site.url)
    assert len(site.heads) == 4 and not any(b"cookie" in head.lower() for head in site.heads)


async def test_so_many_at_once_and_no_more():
    async def slowly(reader, writer, head):
        await asyncio.sleep(0.05)
        writer.write(reply(b"ok"))

    async with origin(slowly) as site, Fetcher(at_once=3, total=0.5) as fetcher:
        pages = await asyncio.gather(*(fetcher.get(site.url) for _ in range(30)))
    assert (len(pages), site.most) == (30, 3)


async def test_cancelling_closes_the_connection_at_once():
    come, gone = asyncio.Event(), asyncio.Event()

    async def waiting(reader, writer, head):
        come.set()
        await reader.read()
        gone.set()

    async with origin(waiting) as site, Fetcher() as fetcher:
        task = asyncio.create_task(fetcher.get(site.url))
        await asyncio.wait_for(come.wait(), 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 1)

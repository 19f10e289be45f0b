"""What the shared fetcher survives: slow, endless, packed and malformed answers, in bounded time and memory."""

import asyncio
import gzip
import socket
import sys
import time
import zlib
from functools import cache
from ipaddress import ip_network
from pathlib import Path

import pytest

from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import Fetcher
from tests.support.origins import moved, names, origin, reason, reply

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_address_allowed(settings):
    """Tests may reach 127.0.0.1; nothing else on this machine."""
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]


async def quiet(reader, writer, head):
    await reader.read()


async def dripping(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def dripping_head(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def going_round(reader, writer, head):
    await asyncio.sleep(0.1)
    writer.write(moved("/again"))


@pytest.mark.long
@pytest.mark.parametrize("speak", [quiet, dripping, dripping_head, going_round])
async def test_one_deadline_for_everything(speak):
    async with origin(speak) as site, Fetcher(total=0.4) as fetcher:
        started = time.monotonic()
        with pytest.raises(FetchError) as caught:
            await fetcher.get(site.url, redirects=20)
        assert caught.value.reason == "timeout"
        assert 0.35 < time.monotonic() - started < 2
        assert caught.value.seconds == pytest.approx(0.4, abs=0.3)


async def test_a_lookup_that_hangs():
    async def lookup(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    assert await reason("http://slow.test/", total=0.2, lookup=lookup) == "timeout"


async def test_a_handshake_that_never_ends():
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        assert await reason(f"https://127.0.0.1:{silent.getsockname()[1]}/", connect=0.2) == "timeout"


async def endless(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def endless_chunks(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n" * 1000)
        await writer.drain()


async def nothing_packed(reader, writer, head):
    """A gzip stream of empty blocks: bytes for ever that amount to no body at all."""
    packer = zlib.compressobj(wbits=31)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packer.flush(zlib.Z_FULL_FLUSH))
    while True:
        writer.write(b"\x00\x00\x00\xff\xff" * 10_000)
        await writer.drain()


@cache
def bomb() -> bytes:
    """An answer of 200 MB, packed."""
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    return reply(body, "200 OK", "Content-Encoding: gzip")


@pytest.mark.long
@pytest.mark.parametrize(
    "says",
    [endless, endless_chunks, nothing_packed, bomb, reply(b"x" * 1_000_001)],
)
async def test_bodies_end_at_the_cap(says):
    async with origin(bomb() if says is bomb else says) as site:
        assert await reason(site.url, cap=1_000_000, total=60) == "too-large"


async def test_a_body_of_exactly_the_cap():
    async with origin(reply(b"x" * 1000)) as site:
        assert await reason(site.url, cap=1000) == "fetched"
        assert await reason(site.url, cap=999) == "too-large"


async def endless_header(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def endless_headers(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n" * 1000)
        await writer.drain()


async def endless_extension(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def endless_trailers(reader, writer, head):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    while True:
        writer.write(b"X: y\r\n" * 1000)
        await writer.drain()


PACKED = gzip.compress(b"body" * 1000)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (endless_header, "protocol"),
        (endless_headers, "protocol"),
        (endless_trailers, "protocol"),
        (reply(b"", "200 OK", "X: " + "x" * 9000), "protocol"),
        (reply(b"", "200 OK", *(f"X-{n}: y" for n in range(200))), "protocol"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "protocol"),
        (b"\x00\xff\xfe" * 100, "protocol"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "protocol"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "protocol"),
        (reply(b"whatever", "200 OK", "Content-Encoding: br"), "protocol"),
        (reply(PACKED, "200 OK", "Content-Encoding: gzip", "Content-Encoding: gzip"), "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "protocol"),
        (reply(b"", "099 Odd"), "protocol"),
        (reply(b"not packed", "200 OK", "Content-Encoding: gzip"), "protocol"),
        (reply(b"not packed", "200 OK", "Content-Encoding: deflate"), "protocol"),
        (reply(PACKED[:-9], "200 OK", "Content-Encoding: gzip"), "protocol"),
        (reply(gzip.compress(b"") * 5000, "200 OK", "Content-Encoding: gzip"), "protocol"),
        (b"", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "disconnected"),
    ],
)
async def test_what_is_no_answer_is_reported_as_such(says, why):
    async with origin(says) as site:
        assert await reason(site.url) == why


async def test_a_body_that_turns_faulty_is_reported_as_such_at_once():
    async def speak(reader, writer, head):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"xyz\r\n")

    async with origin(speak) as site:
        began = time.monotonic()
        assert await reason(site.url, total=20) == "protocol"
        assert time.monotonic() - began < 10


@pytest.mark.long
async def test_endless_informational_answers_and_extensions_end_at_the_deadline():
    async def informational(reader, writer, head):
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
            await writer.drain()

    for speak in (informational, endless_extension):
        async with origin(speak) as site:
            assert await reason(site.url, total=0.5) in ("timeout", "protocol", "too-large")


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with Fetcher() as fetcher:
        with pytest.raises(FetchError, match=r"^No connection: connection refused\.$") as caught:
            await fetcher.get(f"http://127.0.0.1:{port}/")
    assert caught.value.reason == "connect"


async def test_a_name_that_nobody_knows():
    assert await reason("http://nowhere.invalid/") == "dns"
    assert await reason("http://empty.test/", lookup=names(empty="")) == "dns"


MEASURE = """
import asyncio, re, sys
from ipaddress import ip_network
from django.conf import settings
settings.configure(SIGNALBOX_ALLOW_NETWORKS=[ip_network("127.0.0.1/32")])
from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import Fetcher

def peak():
    # Not getrusage: its maximum outlives exec, so a child begins with what its parent had.
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024

async def main():
    async with Fetcher(total=2, at_once=20, cap=10_000_000) as fetcher:
        await fetcher.get(sys.argv[1] + "/warm")
        before = peak()
        async def one(number):
            try:
                await fetcher.get(sys.argv[1] + f"/{number % 5}", keep=False)
            except FetchError as error:
                return error.reason
        reasons = await asyncio.gather(*(one(n) for n in range(60)))
    print(peak() - before, *sorted(set(reasons)))

asyncio.run(main())
"""


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
async def test_twenty_attacks_at_once_take_little_memory():
    """In a process of its own, by its peak resident size, in MB: 200 MB bombs, endless bodies, heads and hints."""
    bomb()
    attacks = {b"/0": endless, b"/1": endless_header, b"/2": endless_extension, b"/3": nothing_packed}

    async def speak(reader, writer, head):
        path = head.split()[1]
        if path in attacks:
            await attacks[path](reader, writer, head)
        writer.write(bomb() if path == b"/4" else reply(b"warm"))
        await writer.drain()

    async with origin(speak) as site:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MEASURE, site.url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(process.communicate(), 60)
    megabytes, *reasons = said.decode().split()
    assert {"too-large", "protocol"} <= set(reasons) <= {"too-large", "protocol", "timeout"}
    assert int(megabytes) < 40

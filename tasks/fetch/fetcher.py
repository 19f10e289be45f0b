"""The one way in which jobs and webhooks reach other people's servers.

Owns what is true of every request: the address connected to is judged at the moment its socket is made, on every
connection and every hop; time, memory and redirects are bounded. Knows no models and no jobs.

    async with Fetcher(total=20) as fetcher:
        page = await fetcher.get("https://example.com/")  # or raises a FetchError
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from django.conf import settings
from yarl import URL

from tasks.fetch import addresses
from tasks.fetch.decompress import Inflater, Undecodable
from tasks.fetch.errors import (
    BadAnswer,
    BadUrl,
    BodyTooLarge,
    DnsFailed,
    FetchError,
    RefusedAddress,
    TooManyRedirects,
    translate_error,
)

REDIRECTS = 5
CAP = 5_000_000  # bytes of a body, counted after decompression
REPLY_CAP = 64 * 1024  # bytes kept of the answer to a POST; the rest is not read
GLANCE_S = 2.0  # in which they must come
EMPTY_BYTES = 1024 * 1024  # received bytes beyond the cap that may decompress to nothing
# What every request says unless its caller says otherwise; only encodings that Inflater undoes are asked for.
HEADERS = {"User-Agent": "Signalbox/1", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})  # stay with their origin
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

NOT_UTF8 = re.compile("[\udc80-\udcff]")

Lookup = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Hop:
    """One redirect that was followed: its status, and where it led."""

    status: int
    url: str


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """An answer, whatever its status.

    `size` counts the bytes of the body after decompression, `seconds` everything from the first lookup to the last
    byte. `body` is empty when it was only counted; `cut` says that more was left unread.
    """

    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    size: int
    seconds: float
    hops: tuple[Hop, ...] = ()
    cut: bool = False


class Body(NamedTuple):
    """How a body is read: at most `cap` bytes, kept or only counted; more is an error.

    With `glance` the status is the answer, and the body a remark: what comes of it in so many seconds, faulty or not.
    """

    cap: int
    kept: bool = True
    glance: float = 0.0


class Fetcher:
    """At most `at_once` requests at a time, each on a connection of its own.

    `total` seconds for one get or post with all its redirects (waiting for a free place is not counted), `connect`
    seconds for one connection with its TLS handshake, `cap` bytes for one body.
    """

    def __init__(
        self,
        *,
        total: float = 20.0,
        connect: float = 10.0,
        cap: int = CAP,
        at_once: int = 20,
        lookup: Lookup = addresses.lookup,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.total, self.connect, self.cap = total, connect, cap
        self._lookup, self._tls = lookup, tls
        self._places = asyncio.Semaphore(at_once)
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> "Fetcher":
        connector = aiohttp.TCPConnector(
            resolver=PermittedAddresses(self._lookup),
            socket_factory=permitted_socket,
            use_dns_cache=False,
            force_close=True,
            limit=0,
            ssl=self._tls or True,
        )
        connector._factory = partial(HeadFirst, loop=asyncio.get_running_loop())
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.connect),
            max_line_size=8190,
            max_field_size=8190,
            max_headers=100,
            headers=HEADERS,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        redirects: int = REDIRECTS,
        cap: int | None = None,
        keep: bool = True,
    ) -> FetchedPage:
        """The page at `url`, at most `redirects` hops away (0: a redirect is the page). `keep=False` only counts."""
        return await self._fetch("GET", url, dict(headers or {}), redirects, Body(cap or self.cap, kept=keep))

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str] | None = None, *, cap: int = REPLY_CAP
    ) -> FetchedPage:
        """The answer to one POST. A redirect is an answer like any other and is not followed.

        What arrived has arrived: a body that is long, slow or faulty is cut where that begins.
        """
        return await self._fetch("POST", url, dict(headers or {}), 0, Body(cap, glance=GLANCE_S), body)

    async def _fetch(
        self, method: str, url: str, headers: dict[str, str], redirects: int, wanted: Body, data: bytes | None = None
    ) -> FetchedPage:
        target = checked(url)
        hops: list[Hop] = []
        async with self._places:
            started = time.monotonic()
            try:
                with translate_error(self.total, self.connect):
                    async with asyncio.timeout(self.total) as limit:
                        while True:
                            async with self._session.request(
                                method, target, data=data, headers=headers, allow_redirects=False
                            ) as answer:
                                onward = redirect(answer) if redirects else None
                                if onward is None:
                                    if wanted.glance:
                                        limit.reschedule(None)  # the status has come in time
                                    body, size, cut = await (glanced if wanted.glance else read)(answer, wanted)
                                    break
                            if len(hops) == redirects:
                                raise TooManyRedirects(f"More than {redirects} redirects.")
                            if onward.origin() != target.origin():
                                headers = {k: v for k, v in headers.items() if k.lower() not in SECRET_HEADERS}
                            target = onward
                            hops.append(Hop(answer.status, str(target)))
            except FetchError as error:
                error.hops, error.final_url, error.seconds = tuple(hops), str(target), time.monotonic() - started
                raise
            seconds = time.monotonic() - started
        return FetchedPage(url, str(target), answer.status, answer.headers, body, size, seconds, tuple(hops), cut)


class HeadFirst(ResponseHandler):
    """aiohttp throws away the head of an answer if the body that came in the same packet is faulty.

    If a faulty body comes later, it says so to nobody: whoever reads the body would wait for its deadline.
    """

    def data_received(self, data: bytes) -> None:
        head, end, body = data.partition(b"\r\n\r\n")
        super().data_received(head + end)
        if body:
            super().data_received(body)

    def set_exception(self, exc: Any, *cause: Any) -> None:
        super().set_exception(exc, *cause)
        if self._payload is not None and not self._payload.is_eof() and self._payload.exception() is None:
            self._payload.set_exception(aiohttp.ClientPayloadError(f"The body is faulty: {exc}"))


def checked(url: str) -> URL:
    try:
        return addresses.parse(url)
    except addresses.BadAddress as error:
        raise BadUrl(str(error)) from None


def redirect(answer: aiohttp.ClientResponse) -> URL | None:
    """Where an answer leads, or None when it is no redirect."""
    # Bytes that are no UTF-8 arrive as lone surrogates; their server knows them by their numbers.
    place = NOT_UTF8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", answer.headers.get("Location", "").strip())
    if answer.status not in REDIRECT_STATUSES or not place:
        return None
    try:
        return checked(str(answer.url.join(URL(place))))
    except ValueError:
        raise BadUrl("The redirect leads to no valid address.") from None


class PermittedAddresses(AbstractResolver):
    """aiohttp's resolver: one lookup for each connection, and only its permitted answers are connected to."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[Any]:
        try:
            found = await self._lookup(host, port)
        except TimeoutError:
            raise
        except OSError:
            found = []
        if not found:
            raise DnsFailed(f"The name {host} leads to no address.")
        permitted = [ip for ip in found if objection(ip) is None]
        if not permitted:
            raise RefusedAddress(f"{host} leads to {found[0]}, {objection(found[0])}, which jobs may not reach.")
        return [
            {"hostname": host, "host": ip, "port": port, "family": family, "proto": 0, "flags": 0} for ip in permitted
        ]

    async def close(self) -> None:
        pass


def permitted_socket(info: tuple[Any, ...]) -> socket.socket:
    """aiohttp's socket factory: the last word on every connection, also to literals, which no resolver sees."""
    family, kind, protocol, _, address = info
    if what := objection(address[0]):
        raise RefusedAddress(f"{address[0]} is {what}, which jobs may not reach.")
    return socket.socket(family, kind, protocol)


def objection(ip: str) -> str | None:
    return addresses.objection(ip, settings.SIGNALBOX_ALLOW_NETWORKS)


async def read(answer: aiohttp.ClientResponse, wanted: Body) -> tuple[bytes, int, bool]:
    """The body, its size, and that it is whole; holds at most `wanted.cap` bytes and one piece more."""
    kept: list[bytes] = []
    size = 0
    async with aclosing(pieces(answer, wanted.cap)) as body:
        async for piece in body:
            size += len(piece)
            if size > wanted.cap:
                raise BodyTooLarge(f"The body is larger than {wanted.cap:,} bytes.")
            if wanted.kept:
                kept.append(piece)
    return b"".join(kept), size, False


async def glanced(answer: aiohttp.ClientResponse, wanted: Body) -> tuple[bytes, int, bool]:
    """What came of the body, its size, and whether more was left unread."""
    kept, cut = b"", False
    try:
        async with asyncio.timeout(wanted.glance), aclosing(pieces(answer, wanted.cap)) as body:
            async for piece in body:
                kept += piece
                if cut := len(kept) > wanted.cap:
                    break
    except (FetchError, TimeoutError, aiohttp.ClientError, HttpProcessingError, OSError):
        cut = True
    return kept[: wanted.cap], min(len(kept), wanted.cap), cut


def listed(answer: aiohttp.ClientResponse, header: str) -> str:
    """The values of a header, which may stand in several lines; without those that say nothing."""
    values = ",".join(answer.headers.getall(header, [])).lower().split(",")
    return ",".join(value for part in values if (value := part.strip()) not in ("", "identity"))


async def pieces(answer: aiohttp.ClientResponse, cap: int) -> AsyncGenerator[bytes]:
    """The body as it was before compression, bit by bit."""
    if answer.status == 101:
        raise BadAnswer("The server switched to another protocol.")
    if answer.status < 100 or listed(answer, "Transfer-Encoding") not in ("", "chunked"):
        raise BadAnswer("The answer is not valid HTTP: its status or its transfer encoding does not exist.")
    received = 0
    try:
        inflater = Inflater(listed(answer, "Content-Encoding"))
        async for chunk in answer.content.iter_any():
            received += len(chunk)
            if received > cap + EMPTY_BYTES:
                raise BodyTooLarge(f"The body is larger than {cap:,} bytes.")
            for piece in inflater.feed(chunk):
                yield piece
        inflater.end()
    except Undecodable as error:
        raise BadAnswer(str(error)) from None

"""The one way in which jobs and webhooks reach other people's servers.

Owns what is true of every request: the address connected to is judged at the moment its socket is made, on every
connection and every hop; time, memory and redirects are bounded. Knows no models and no jobs.

    async with Fetcher(total=20) as fetcher:
        page = await fetcher.get("https://example.com/")  # or raises a FetchError
"""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from yarl import URL

from tasks.fetch import addresses
from tasks.fetch.decompress import Inflater, Undecodable
from tasks.fetch.errors import (
    BadAnswer,
    BadUrl,
    BodyTooLarge,
    FetchError,
    TooManyRedirects,
)

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

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
        self._session: ClientSession

    async def __aenter__(self) -> "Fetcher":
        from tasks.fetch.sessions import session, translate_error

        self._translate_error = translate_error
        self._session = session(self._lookup, self._tls, self.connect, HEADERS)
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
                with self._translate_error(self.total, self.connect):
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


def checked(url: str) -> URL:
    try:
        return addresses.parse(url)
    except addresses.BadAddress as error:
        raise BadUrl(str(error)) from None


def redirect(answer: "ClientResponse") -> URL | None:
    """Where an answer leads, or None when it is no redirect."""
    # Bytes that are no UTF-8 arrive as lone surrogates; their server knows them by their numbers.
    place = NOT_UTF8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", answer.headers.get("Location", "").strip())
    if answer.status not in REDIRECT_STATUSES or not place:
        return None
    try:
        return checked(str(answer.url.join(URL(place))))
    except ValueError:
        raise BadUrl("The redirect leads to no valid address.") from None


async def read(answer: "ClientResponse", wanted: Body) -> tuple[bytes, int, bool]:
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


async def glanced(answer: "ClientResponse", wanted: Body) -> tuple[bytes, int, bool]:
    """What came of the body, its size, and whether more was left unread."""
    from tasks.fetch.sessions import ERRORS

    kept, cut = b"", False
    try:
        async with asyncio.timeout(wanted.glance), aclosing(pieces(answer, wanted.cap)) as body:
            async for piece in body:
                kept += piece
                if cut := len(kept) > wanted.cap:
                    break
    except (FetchError, TimeoutError, *ERRORS, OSError):
        cut = True
    return kept[: wanted.cap], min(len(kept), wanted.cap), cut


def listed(answer: "ClientResponse", header: str) -> str:
    """The values of a header, which may stand in several lines; without those that say nothing."""
    values = ",".join(answer.headers.getall(header, [])).lower().split(",")
    return ",".join(value for part in values if (value := part.strip()) not in ("", "identity"))


async def pieces(answer: "ClientResponse", cap: int) -> AsyncGenerator[bytes]:
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

"""The HTTP library as the fetcher uses it: sessions that connect only where they may, and its errors in our words.

The library is a tenth of what a process loads: only those load it that make requests.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import aiohttp
from aiohttp import ClientSession
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from django.conf import settings

from tasks.fetch import addresses
from tasks.fetch.errors import (
    BadAnswer,
    BadUrl,
    ConnectFailed,
    Disconnected,
    DnsFailed,
    RefusedAddress,
    TimedOut,
    TlsFailed,
)

Lookup = Callable[[str, int], Awaitable[list[str]]]
ERRORS = (aiohttp.ClientError, HttpProcessingError)


def session(lookup: Lookup, tls: ssl.SSLContext | None, connect: float, headers: dict[str, str]) -> ClientSession:
    connector = aiohttp.TCPConnector(
        resolver=PermittedAddresses(lookup),
        socket_factory=permitted_socket,
        use_dns_cache=False,
        force_close=True,
        limit=0,
        ssl=tls or True,
    )
    connector._factory = partial(HeadFirst, loop=asyncio.get_running_loop())
    return ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect),
        max_line_size=8190,
        max_field_size=8190,
        max_headers=100,
        headers=headers,
    )


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


@contextmanager
def translate_error(total: float, connect: float) -> Iterator[None]:
    """Turns what aiohttp and its transports raise into FetchErrors; `total` and `connect` are the seconds allowed."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise TimedOut(f"No connection within {connect:g} s.") from None
    except TimeoutError:
        raise TimedOut(f"No complete answer within {total:g} s.") from None
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise TlsFailed(f"No secure connection: {_tls_words(error)}.") from None
    except aiohttp.ClientConnectorError as error:
        raise ConnectFailed(f"No connection: {_os_words(error.os_error)}.") from None
    except aiohttp.InvalidURL:
        raise BadUrl("This is not a valid address.") from None
    except aiohttp.ClientPayloadError:
        raise BadAnswer("The body ended early or is malformed.") from None
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
        raise Disconnected("The server closed the connection before its answer was complete.") from None
    except ERRORS:
        raise BadAnswer("The answer is not valid HTTP, or its header is too large.") from None


def _tls_words(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    words = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or "the handshake failed"
    return str(words).replace("_", " ").lower().rstrip(".")


def _os_words(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "the host could not be reached"

"""Why there is no page: one class for each reason, and what the HTTP library raises in those words.

`reason` is a short code for programs, the text one sentence for people. Neither holds a path or a query of a URL,
which may be secret.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError


class FetchError(Exception):
    """No page; `hops`, `final_url` and `seconds` tell how far the fetcher got."""

    reason = "fetch"
    hops: tuple = ()
    final_url = ""
    seconds = 0.0


class BadUrl(FetchError):
    reason = "bad-url"


class RefusedAddress(FetchError):
    reason = "refused-address"


class DnsFailed(FetchError):
    reason = "dns"


class ConnectFailed(FetchError):
    reason = "connect"


class TlsFailed(FetchError):
    reason = "tls"


class TimedOut(FetchError):
    reason = "timeout"


class Disconnected(FetchError):
    reason = "disconnected"


class BadAnswer(FetchError):
    reason = "protocol"


class BodyTooLarge(FetchError):
    reason = "too-large"


class TooManyRedirects(FetchError):
    reason = "too-many-redirects"


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
    except (aiohttp.ClientError, HttpProcessingError):
        raise BadAnswer("The answer is not valid HTTP, or its header is too large.") from None


def _tls_words(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    words = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or "the handshake failed"
    return str(words).replace("_", " ").lower().rstrip(".")


def _os_words(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "the host could not be reached"

"""Why there is no page: one class for each reason.

`reason` is a short code for programs, the text one sentence for people. Neither holds a path or a query of a URL,
which may be secret.
"""


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

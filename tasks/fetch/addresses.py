"""Which addresses a job may reach: the URL's form, the network address behind it, and how a name becomes one.

Deny by default: an address must be global unicast and in none of the special networks, or in a network that the
operator allowed. `ipaddress.is_private` and `is_global` are not enough: they pass 64:ff9b::a9fe:a9fe, 224.0.0.1 and
168.63.129.16. Reads no settings, connects to nothing: the caller must connect to the very address judged here.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's special-purpose registries, and what clouds put beside them. The first match names the reason.
SPECIAL_V4 = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "an address of this host"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a carrier's shared address"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a cloud's host address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a protocol assignment"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.31.196.0/24", "a special-purpose address"),
        ("192.52.193.0/24", "a special-purpose address"),
        ("192.88.99.0/24", "a 6to4 relay address"),
        ("192.168.0.0/16", "a private address"),
        ("192.175.48.0/24", "a special-purpose address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
SPECIAL_V6 = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("::/128", "an address of this host"),
        ("::1/128", "a loopback address"),
        ("64:ff9b:1::/48", "a local NAT64 address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
        ("2001::/32", "a Teredo address"),
        ("2001::/23", "a protocol assignment"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 address"),
        ("2620:4f:8000::/48", "a special-purpose address"),
        ("3ffe::/16", "a reserved address"),
        ("3fff::/20", "a documentation address"),
    )
)
NAT64 = IPv6Network("64:ff9b::/96")  # where DNS64 puts the whole of IPv4: judged by the IPv4 address inside
ISATAP = frozenset((0x00005EFE, 0x02005EFE))  # RFC 5214: bits 32 to 63, before an IPv4 address
# Ports of other protocols: the list that browsers refuse (WHATWG Fetch, "bad port").
# fmt: off
BAD_PORTS = frozenset((
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
    109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
    526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
    3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
))
# fmt: on
URL_LENGTH = 2048
NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.ASCII)
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

LOOKUPS = 64  # at once in one process: a name server that hangs holds threads, so they are counted
ANSWERS = 16  # addresses of one name that are tried at all

_lookups = threading.BoundedSemaphore(LOOKUPS)


class BadAddress(ValueError):
    """Not an address that is fetched; the text is one sentence."""


def parse(url: str) -> URL:
    """An http or https URL that means the same to every reader, without its fragment; else BadAddress."""
    if len(url) > URL_LENGTH:
        raise BadAddress(f"The address is longer than {URL_LENGTH:,} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise BadAddress("The address holds a space, a backslash or a control character.")
    try:
        parsed = URL(url).with_fragment(None)
        port = parsed.port
    except ValueError:
        raise BadAddress("This is not a valid address.") from None
    if parsed.scheme not in ("http", "https"):
        raise BadAddress("Only http and https addresses can be fetched.")
    if "@" in url.partition("://")[2].partition("/")[0] or parsed.raw_user is not None:
        raise BadAddress("An address with a user name or password is not fetched.")
    if port in BAD_PORTS:
        raise BadAddress(f"Port {port} belongs to another protocol.")
    if not valid_host(parsed.raw_host or ""):
        raise BadAddress("The address has no valid host name.")
    return parsed


def valid_host(host: str) -> bool:
    """A name, or an ip address in its canonical form: `0x7f.1`, `2130706433` and `127.0.0.1.` are neither."""
    try:
        return not getattr(ip_address(host), "scope_id", None)
    except ValueError:
        last = host.removesuffix(".").rpartition(".")[2]
        return len(host) <= 253 and NAME.fullmatch(host) is not None and NUMBER.fullmatch(last) is None


def objection(address: str, allowed: Iterable[Network] = ()) -> str | None:
    """Why `address` may not be connected to ("a loopback address"), or None when it may.

    Only canonical forms are read: `0x7f.1`, `127.1`, `①②⑦.⓪.⓪.①`, names and scoped addresses are refused.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return "not an ip address"
    if getattr(ip, "scope_id", None):
        return "a scoped address"
    inner = _embedded(ip)
    if any(candidate in network for network in allowed for candidate in (ip, inner)):
        return None
    if inner != ip:
        return _special(inner)
    return _special(ip)


def _embedded(ip: Address) -> Address:
    """The IPv4 address that a packet to `ip` ends at, else `ip` itself. 6to4 and Teredo are refused whole instead."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _special(ip: Address) -> str | None:
    if isinstance(ip, IPv4Address):
        return next((what for network, what in SPECIAL_V4 if ip in network), None)
    if what := next((what for network, what in SPECIAL_V6 if ip in network), None):
        return what
    if ip not in GLOBAL_V6:
        return "not a global address"
    if (int(ip) >> 32) & 0xFFFFFFFF in ISATAP:
        return "an ISATAP address"
    return None


async def lookup(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system resolves it; OSError when there are none.

    Each lookup has a daemon thread of its own: getaddrinfo cannot be interrupted, and threads of the loop's executor
    would keep the loop from closing for as long as a name server hangs. The caller sets the deadline.
    """
    loop = asyncio.get_running_loop()
    while not _lookups.acquire(blocking=False):  # noqa: ASYNC110  counted for all loops and threads of the process
        await asyncio.sleep(0.02)
    answer: asyncio.Future[list[str]] = loop.create_future()
    try:
        threading.Thread(target=_resolve, args=(host, port, loop, answer), name="lookup", daemon=True).start()
    except RuntimeError as error:  # no more threads on this machine
        _lookups.release()
        raise OSError(str(error)) from error
    return await answer


def _resolve(host: str, port: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[str]]) -> None:
    result: list[str] | Exception
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        result = list(dict.fromkeys(str(entry[4][0]) for entry in found))[:ANSWERS]
    except (OSError, UnicodeError) as error:
        result = error if isinstance(error, OSError) else OSError(str(error))
    finally:
        _lookups.release()
    try:
        loop.call_soon_threadsafe(_settle, answer, result)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
        pass


def _settle(answer: asyncio.Future[list[str]], result: list[str] | Exception) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)

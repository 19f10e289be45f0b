"""Which addresses jobs may reach: the table of network addresses, the forms of URLs, and lookups that hang."""

import asyncio
import socket
import threading
import time
from ipaddress import ip_network

import pytest

from tasks.fetch import addresses

PERMITTED = """
    1.1.1.1  8.8.8.8  9.255.255.255  11.0.0.0  93.184.215.14  100.63.255.255  100.128.0.0  126.255.255.255  128.0.0.0
    168.63.129.15  168.63.129.17  169.253.255.255  169.255.0.0  172.15.255.255  172.32.0.0  192.0.1.0  192.0.3.0
    192.167.255.255  192.169.0.0  198.17.255.255  198.20.0.0  203.0.112.255  223.255.255.255
    2606:4700:4700::1111  2a00:1450:4001:80b::200e  2001:200::1  2001:4860:4860::8888  2003::1  2400::1
    ::ffff:8.8.8.8  64:ff9b::8.8.8.8  64:ff9b::808:808
"""
FORBIDDEN = """
    an address of this host | 0.0.0.0 0.1.2.3 0.255.255.255 ::
    a loopback address | 127.0.0.1 127.255.255.255 127.8.8.8 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 64:ff9b::7f00:1
    a private address | 10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255
    a private address | fc00::1 fd00:ec2::254 fdff:ffff::1 ::ffff:10.0.0.1 64:ff9b::10.1.2.3 64:ff9b::c0a8:1
    a carrier's shared address | 100.64.0.1 100.100.100.200 100.127.255.255 64:ff9b::6464:64c8
    a link-local address | 169.254.0.0 169.254.169.254 169.254.170.2 169.254.255.255 fe80::1 febf::1
    a link-local address | ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe
    a cloud's host address | 168.63.129.16 ::ffff:168.63.129.16
    a protocol assignment | 192.0.0.1 192.0.0.192 192.0.0.255 2001:2::1 2001:20::1 2001:1ff::1
    a documentation address | 192.0.2.1 198.51.100.1 203.0.113.255 2001:db8::1 3fff::1 3fff:fff::1
    a benchmarking address | 198.18.0.0 198.19.255.255
    a multicast address | 224.0.0.1 239.255.255.255 ff02::1 ff0e::1 64:ff9b::e000:1
    a reserved address | 240.0.0.1 255.255.255.254 3ffe::1
    the broadcast address | 255.255.255.255 ::ffff:255.255.255.255
    a 6to4 relay address | 192.88.99.1
    a special-purpose address | 192.31.196.1 192.52.193.1 192.175.48.1 2620:4f:8000::1
    a 6to4 address | 2002:7f00:1:: 2002:a9fe:a9fe::1 2002:808:808::1
    a Teredo address | 2001:: 2001:0:4136:e378:8000:63bf:3fff:fdd2
    a local NAT64 address | 64:ff9b:1::1 64:ff9b:1:ffff::7f00:1
    a site-local address | fec0::1
    an ISATAP address | 2606:4700::5efe:10.0.0.1 2606:4700::200:5efe:127.0.0.1
    not a global address | ::127.0.0.1 ::8.8.8.8 ::2 100::1 64:ff9b:0:0:1::1 4000::1 5f00::1 fe00::1 ::ffff:0:7f00:1
    a scoped address | fe80::1%eth0 2606:4700::1%1 ::1%lo
    not an ip address | 0x7f.1 0x7f000001 2130706433 017700000001 0177.0.0.1 127.1 127.0.1 127.0.0.1. 127.0.0.01
    not an ip address | ①②⑦.⓪.⓪.① １２７.0.0.1 [::1] localhost 127.0.0.1/8 1.2.3.4.5 ::ffff:127.1
"""
REFUSED_URLS = """
    ftp://example.com/ file:///etc/passwd gopher://example.com/ javascript:alert(1) data:text/plain,x example.com
    //example.com/ http:// http:/// http:x http://?x http://:80/ http://.a/ http://a..b/ http://a,b/ http://a*b/
    http://user@example.com/ http://user:pw@example.com/ http://@example.com/ http://:@example.com/
    http://127.0.0.1%2f@example.com/ http://x\\@127.0.0.1/ http://example.com:99999/ http://example.com:x/
    http://example.com:0/ http://example.com:25/ https://example.com:6379x/ http://example.com:22/ http://[::1/
    http://[v1.x]x/ http://0x7f.1/ http://0x7f000001/ http://2130706433/ http://017700000001/ http://0177.0.0.1/
    http://127.1/ http://127.0.0.1./ http://127.0.0.1。/ http://1.2.3.4.5/ http://256.256.256.256/ http://example.0x/
    http://%31%32%37.0.0.1/ http://a%00b/ http://localhost%00.example/ http://[fe80::1%25eth0]/ http://[fe80::1%eth0]/
"""
UNREADABLE_URLS = ["http://exam ple.com/", "http://example.com/a b", "http://exa\tmple.com/", "http://a\r\nHost:b/", ""]
UNREADABLE_URLS += [
    "http://a/\0",
    "http://a/\u202e",
    "http://a/\ud800",
    " ",
    f"http://{'a' * 64}.com/",
    "http://a/" + "x" * 2040,
]


def forbidden() -> list[tuple[str, str]]:
    lines = [line.split(" | ") for line in FORBIDDEN.strip().splitlines()]
    return [(what.strip(), address) for what, some in lines for address in some.split()]


@pytest.mark.parametrize("address", PERMITTED.split())
def test_public_addresses_may_be_reached(address):
    assert addresses.objection(address) is None


@pytest.mark.parametrize(("what", "address"), forbidden())
def test_special_addresses_are_refused_with_their_name(what, address):
    assert addresses.objection(address) == what


@pytest.mark.parametrize("address", ["", " 8.8.8.8", "8.8.8.8\n", "8.8.8.8\x00", "134744072"])
def test_what_is_no_address_is_refused(address):
    assert addresses.objection(address) == "not an ip address"


def test_the_operator_can_allow_networks():
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")]
    assert addresses.objection("10.1.2.3", allowed) is None
    assert addresses.objection("::ffff:10.1.2.3", allowed) is None
    assert addresses.objection("64:ff9b::10.1.2.3", allowed) is None
    assert addresses.objection("fd00:1::5", allowed) is None
    assert addresses.objection("10.2.0.1", allowed) == "a private address"
    assert addresses.objection("fd00:2::5", allowed) == "a private address"
    assert addresses.objection("fd00:1::5%eth0", allowed) == "a scoped address"


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("http://example.com", "http://example.com"),
        ("HTTPS://EXAMPLE.com:8443/a?b=c#d", "https://example.com:8443/a?b=c"),
        ("http://例え.jp/ü", "http://xn--r8jz45g.jp/%C3%BC"),
        ("http://a_b.example./", "http://a_b.example./"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://①②⑦.⓪.⓪.①/", "http://127.0.0.1/"),  # the form is fine; the address behind it is judged at connecting
        ("http://[2001:DB8::A]:8080/", "http://[2001:db8::a]:8080/"),
        ("http://example.com/@me?mail=a@b", "http://example.com/@me?mail=a@b"),
        ("http://4chan.example/", "http://4chan.example/"),
    ],
)
def test_urls_that_are_fetched(given, seen):
    assert str(addresses.parse(given)) == seen


@pytest.mark.parametrize("url", REFUSED_URLS.split() + UNREADABLE_URLS)
def test_urls_that_are_refused_before_any_lookup(url):
    with pytest.raises(addresses.BadAddress, match=r"^[A-Z].*\.$"):
        addresses.parse(url)


async def test_a_name_becomes_addresses():
    assert set(await addresses.lookup("localhost", 80)) <= {"127.0.0.1", "::1"}


async def test_an_unknown_name_is_an_os_error():
    with pytest.raises(socket.gaierror):
        await addresses.lookup("nowhere.invalid", 80)


async def test_lookups_that_hang_are_bounded_and_block_neither_the_loop_nor_its_end(monkeypatch):
    gate, most = threading.Event(), 0

    def hanging(*_, **__):
        nonlocal most
        most = max(most, sum(thread.name == "lookup" for thread in threading.enumerate()))
        gate.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    started = time.monotonic()
    try:
        calls = [asyncio.wait_for(addresses.lookup(f"{n}.example", 80), 0.3) for n in range(100)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        gate.set()
    assert all(isinstance(answer, TimeoutError) for answer in answers)
    assert time.monotonic() - started < 3
    assert most == addresses.LOOKUPS
    assert await asyncio.wait_for(addresses.lookup("later.example", 80), 5) == ["8.8.8.8"]  # places came free again


async def test_a_name_with_very_many_addresses_is_tried_at_a_few(monkeypatch):
    many = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"8.8.{n >> 8}.{n & 255}", 80)) for n in range(5000)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)
    assert len(await addresses.lookup("many.example", 80)) == addresses.ANSWERS

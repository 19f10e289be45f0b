"""Whom the shared fetcher never meets: canaries on forbidden addresses get no connection, whatever form leads there."""

import asyncio
import socket
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import Fetcher
from tests.support.origins import certificate, moved, names, origin, reason, reply

ROOT = Path(__file__).parents[2]
LOOPBACK = """
    127.0.0.1 127.1 0x7f000001 0x7f.1 2130706433 017700000001 0177.0.0.1 127.0.0.1. ①②⑦.⓪.⓪.① １２７.0.0.1 127。0。0。1
    0.0.0.0 0 [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::7f00:1] [::] [::1] [0:0:0:0:0:0:0:1]
    localhost LOCALHOST. [fe80::1%25lo] [::1%25lo] %31%32%37.0.0.1 user@127.0.0.1
"""


@pytest.fixture(autouse=True)
def one_address_allowed(settings):
    """Tests may reach 127.0.0.1; all other loopback addresses stay forbidden and serve as canaries."""
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]


@pytest.mark.parametrize(
    "host",
    LOOPBACK.split(),
)
async def test_no_form_of_loopback_is_reached(host, settings):
    settings.SIGNALBOX_ALLOW_NETWORKS = []
    async with origin(reply(b"secret")) as canary:
        assert await reason(f"http://{host}:{canary.port}/") in ("refused-address", "bad-url", "dns")
        assert canary.met == 0


@pytest.mark.parametrize("place", ["127.0.0.2", "[::ffff:127.0.0.2]", "①②⑦.⓪.⓪.②", "inside.test"])
async def test_a_redirect_to_a_forbidden_address_makes_no_connection(place):
    async with origin(reply(b"secret"), host="127.0.0.2") as canary:
        async with (
            origin(moved(f"http://{place}:{canary.port}/")) as site,
            Fetcher(lookup=names(inside="127.0.0.2")) as fetcher,
        ):
            with pytest.raises(FetchError) as caught:
                await fetcher.get(site.url)
        assert (caught.value.reason, canary.met) == ("refused-address", 0)
        assert len(caught.value.hops) == 1


async def test_a_name_that_changes_its_answer_is_judged_by_the_answer_connected_to():
    """Rebinding: permitted when first asked, forbidden from then on. One lookup a connection leaves no gap between."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])
    asked = 0

    async def lookup(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        return next(answers)

    async with origin(reply(b"public")) as site, Fetcher(lookup=lookup) as fetcher:
        canary = socket.create_server(("127.0.0.2", site.port))
        canary.setblocking(False)
        with canary:
            page = await fetcher.get(f"http://name.test:{site.port}/")
            assert (page.body, asked) == (b"public", 1)
            for _ in range(2):
                with pytest.raises(FetchError) as caught:
                    await fetcher.get(f"http://name.test:{site.port}/")
                assert caught.value.reason == "refused-address"
            with pytest.raises(BlockingIOError):
                canary.accept()
    assert asked == 3


async def test_a_name_that_changes_between_two_hops():
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])

    async def lookup(host: str, port: int) -> list[str]:
        return next(answers)

    async with origin(moved("/second")) as site, Fetcher(lookup=lookup) as fetcher:
        with pytest.raises(FetchError) as caught:
            await fetcher.get(f"http://name.test:{site.port}/")
    assert (caught.value.reason, site.met) == ("refused-address", 1)


async def test_of_a_mixed_answer_only_the_permitted_addresses_are_tried():
    async with origin(reply(b"public")) as site:
        canary = socket.create_server(("127.0.0.2", site.port))
        canary.setblocking(False)
        with canary:
            async with Fetcher(lookup=names(mixed="127.0.0.2 10.0.0.1 ::1 127.0.0.1 169.254.169.254")) as fetcher:
                assert (await fetcher.get(f"http://mixed.test:{site.port}/")).body == b"public"
            with pytest.raises(BlockingIOError):
                canary.accept()


async def test_the_refusal_names_the_address_and_what_it_is():
    async with Fetcher(lookup=names(inside="10.0.0.1")) as fetcher:
        with pytest.raises(FetchError, match=r"inside\.test leads to 10\.0\.0\.1, a private address, which jobs"):
            await fetcher.get("http://inside.test/?token=geheim")
        with pytest.raises(
            FetchError, match=r"^169\.254\.169\.254 is a link-local address, which jobs may not reach\.$"
        ):
            await fetcher.get("http://169.254.169.254/latest/meta-data/")


async def test_proxies_of_the_environment_are_ignored(monkeypatch):
    async with origin(reply(b"from the proxy"), host="127.0.0.2") as proxy, origin(reply(b"direct")) as site:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with Fetcher() as fetcher:
            assert (await fetcher.get(site.url)).body == b"direct"
        assert proxy.met == 0


async def test_tls_needs_a_trusted_certificate_for_the_name_asked_for(tmp_path):
    server, trusting = certificate(tmp_path, "site.test")
    lookup = names(site="127.0.0.1", other="127.0.0.1")

    async def speak_plainly(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(speak_plainly, "127.0.0.1", 0)
    async with plain, origin(reply(b"safe"), tls=server) as site:
        at = f"site.test:{site.port}"
        assert await reason(f"https://{at}/", lookup=lookup) == "tls"
        assert await reason(f"https://{at}/", lookup=lookup, tls=trusting) == "fetched"
        assert await reason(f"https://other.test:{site.port}/", lookup=lookup, tls=trusting) == "tls"
        assert await reason(f"https://127.0.0.1:{site.port}/", tls=trusting) == "tls"
        assert await reason(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/") == "tls"


async def test_it_holds_on_uvloop_too():
    script = """
import asyncio, sys, uvloop
from ipaddress import ip_network
from django.conf import settings
settings.configure(SIGNALBOX_ALLOW_NETWORKS=[ip_network("127.0.0.1/32")])
from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import Fetcher

async def main():
    async with Fetcher(total=2) as fetcher:
        print((await fetcher.get(f"http://127.0.0.1:{sys.argv[1]}/")).size)
        for host in ("127.0.0.2", "[::ffff:127.0.0.2]", "inside.test"):
            try:
                await fetcher.get(f"http://{host}:{sys.argv[1]}/")
            except FetchError as error:
                print(error.reason)

uvloop.run(main())
"""
    async with origin(reply(b"hello")) as site:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(site.port), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert said.decode().split() == ["5", "refused-address", "refused-address", "dns"]
    assert site.met == 1

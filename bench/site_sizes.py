"""What coroutines are for: the sizes of N pages fetched one after another, and all at once.

    python bench/site_sizes.py --addresses 200 --delay 0.1 --size 50000

The server is a process of its own on loopback that answers each request after a delay, as a distant one would. Prints
seconds, addresses a second, the ratio to the plain loop, and the client's peak memory; `--json` prints one object.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import django

try:
    import uvloop
except ImportError:  # not on every platform
    uvloop = None

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def serve(reported: Connection, delay: float, size: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(delay)
            writer.write(answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(converse, "127.0.0.1", 0, backlog=1024)
        reported.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def plain_loop(addresses: list[str]) -> int:
    """What one writes first: the standard library, one address after another."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    total = 0
    for address in addresses:
        with opener.open(address, timeout=20) as answer:
            total += len(answer.read())
    return total


async def one_after_another(addresses: list[str]) -> int:
    from tasks.fetch.fetcher import Fetcher

    async with Fetcher() as fetcher:
        return sum([(await fetcher.get(address, keep=False)).size for address in addresses])


async def all_at_once(addresses: list[str]) -> int:
    from tasks.fetch.fetcher import Fetcher
    from tasks.kinds.sites import AT_ONCE, CAP, measure

    async with Fetcher(cap=CAP, at_once=AT_ONCE) as fetcher:
        return sum(row["bytes"] for row in await measure(fetcher, addresses, lambda row: None))


def looped(body: Callable[[list[str]], Coroutine[Any, Any, int]], run: Callable[..., int]) -> Callable[..., int]:
    return lambda addresses: run(body(addresses))


def peak_megabytes() -> float | None:
    """The most memory that this process ever held; None where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--addresses", type=int, default=200)
    asked.add_argument("--delay", type=float, default=0.1, help="seconds until the server answers")
    asked.add_argument("--size", type=int, default=50_000, help="bytes of a page")
    asked.add_argument("--at-once-only", action="store_true", help="leave the slow comparisons out")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()

    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there, given.delay, given.size), daemon=True
    )
    server.start()
    addresses = [f"http://127.0.0.1:{here.recv()}/"] * given.addresses
    ways = {"all at once": looped(all_at_once, asyncio.run)}
    if uvloop:
        ways["all at once, uvloop"] = looped(all_at_once, uvloop.run)
    if not given.at_once_only:
        ways["one after another"] = looped(one_after_another, asyncio.run)
        ways["plain loop (urllib)"] = plain_loop
    looped(all_at_once, asyncio.run)(addresses[:20])  # imports and first connections are nobody's
    before, seconds = peak_megabytes(), {}
    for name, way in ways.items():
        started = time.monotonic()
        found = way(addresses)
        seconds[name] = time.monotonic() - started
        if found != given.size * given.addresses:
            raise SystemExit(f"{name}: {found} bytes, expected {given.size * given.addresses}")
    grown = None if before is None else round(peak_megabytes() - before, 1)
    server.terminate()
    report(given, seconds, grown)


def report(given: argparse.Namespace, seconds: dict[str, float], grown: float | None) -> None:
    slowest = max(seconds.values())
    if given.json:
        print(json.dumps({"seconds": seconds, "ratio": slowest / seconds["all at once"], "grown_mb": grown}))
        return
    print(f"{given.addresses} addresses of {given.size:,} bytes, each answered after {given.delay:g} s")
    for name, took in seconds.items():
        print(f"{name:22} {took:8.2f} s {given.addresses / took:8.0f} addresses/s {slowest / took:6.1f} ×")
    print(f"memory of the client grew by {grown} MB" if grown is not None else "memory: not known here")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "SIGNALBOX_HOME": home,
            "SECRET_KEY": "only-for-a-bench-0123456789-abcdefghijklmnopqrstuvwxyz",
        }
        os.environ["SIGNALBOX_ALLOW_NETWORKS"] = "127.0.0.1/32"
        django.setup()
        main()

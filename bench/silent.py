"""What readers that never read cost the others: delay of their frames, and memory of the web process.

    python -m bench.silent [--minutes 5] [--readers 50] [--server daphne uvicorn] [--postgres]

Two web processes of each server are sent the same news at the same moment; one of the two has the silent readers.
After the minutes they change places, so what differs between two processes or two moments cancels out. A silent reader
asks for the board and takes nothing; after half a minute Signalbox cuts it off, and here another takes its place.
Promised: the others' p95 within 10 %, at most 50 MiB more.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

import websockets

from tests.faults.recorder import Recorder
from tests.faults.rig import Rig
from tests.faults.test_live import deaf
from tests.support.processes import wait_until

MIB, PAGES, EVERY_S = 1 << 20, 6, 0.1
AGE_S = 35.0  # by then it has been cut off
STAMPS = {"queued": "created_at", "running": "started_at", "succeeded": "finished_at"}


class Silent:
    """So many readers of one web process that never read, for as long as asked."""

    def __init__(self, rig: Rig, port: int, number: int) -> None:
        self.rig, self.port, self.number, self.came = rig, port, number, 0
        self.tasks = rig.clients.call(self._start())

    async def _start(self) -> list[asyncio.Task]:
        return [asyncio.create_task(self._sit(n)) for n in range(self.number)]

    async def _sit(self, n: int) -> None:
        await asyncio.sleep(n / 10)
        stays = AGE_S * (n + 1) / self.number  # the first time; so that later ones come one by one
        while True:
            try:
                socket = await deaf(self.rig, self.port, self.rig.sessions[n % len(self.rig.sessions)])
            except (OSError, TimeoutError, websockets.WebSocketException):
                await asyncio.sleep(1)
                continue
            self.came += 1
            try:
                await asyncio.sleep(stays)
                stays = AGE_S
            finally:
                socket.transport.abort()

    def end(self) -> None:
        for task in self.tasks:
            self.rig.clients.loop.call_soon_threadsafe(task.cancel)


def delays(pages: list[Recorder]) -> list[float]:
    """Seconds from the stamp of each move to the frame that showed it, sorted; then the pages forget what they saw."""
    found = []
    for page in pages:
        seen, page.seen = page.seen, []
        for at in seen:
            for job in at.frame.get("jobs", ()) if at.frame["type"] == "patch" else ():
                stamp = job.get(STAMPS.get(job["state"], ""))
                if stamp:
                    found.append(at.wall - datetime.fromisoformat(stamp).timestamp())
    return sorted(found)


def p95(values: list[float]) -> float:
    return values[int(len(values) * 0.95)]


def turn(rig: Rig, pages: list[list[Recorder]], silent: list[int], options: argparse.Namespace) -> list[list[float]]:
    """The silent readers sit at the web processes of these numbers; prints memory, returns each process's delays."""
    before = [web.memory() for web in rig.web]
    sitting = [Silent(rig, rig.to_web[n].port, options.readers) for n in silent]
    end = time.monotonic() + options.minutes * 60
    for group in pages:
        delays(group)
    while time.monotonic() < end:
        rig.submit("traced", seconds=0)
        time.sleep(EVERY_S)
    more = [(web.memory() - was) / MIB for web, was in zip(rig.web, before, strict=True)]
    for each in sitting:
        each.end()
    came = sum(each.came for each in sitting)
    print(f"{came} silent readers came; memory " + ", ".join(f"{m:+.1f} MiB" for m in more), flush=True)
    return [delays(group) for group in pages]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="of each of the two turns")
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--server", nargs="+", default=["daphne", "uvicorn"])
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    pairs = tuple(server for server in options.server for _ in range(2))
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
        rig = Rig(Path(folder) / "rig", "postgres" if options.postgres else "sqlite", web=pairs)
        try:
            rig.start()
            pages = [rig.clients.add(link.port, rig.sessions, PAGES) for link in rig.to_web]
            wait_until(lambda: all(page.live for group in pages for page in group), 60, "all pages are live")
            evens, odds = list(range(0, len(pairs), 2)), list(range(1, len(pairs), 2))
            first, second = (turn(rig, pages, silent, options) for silent in (evens, odds))
            for server, a, b in zip(options.server, evens, odds, strict=True):
                ratios = p95(first[a]) / p95(first[b]), p95(second[b]) / p95(second[a])
                shown = [f"{1000 * p95(found):.1f}" for found in (first[b], first[a], second[a], second[b])]
                print(
                    f"{server}: p95 {shown[0]} → {shown[1]} ms, then {shown[2]} → {shown[3]} ms: "
                    f"{statistics.geometric_mean(ratios) - 1:+.1%}; {len(first[a])} frames each"
                )
        finally:
            rig.stop()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

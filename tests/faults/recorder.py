"""WebSocket clients that do what a browser does and write down all they are sent.

They know the protocol of docs/protocol.md and nothing else of the product: newest version wins, acknowledge, reconnect
with full jitter. What they saw is judged by tests.faults.checker.
"""

import asyncio
import contextlib
import json
import random
import time
from functools import lru_cache
from typing import Any, NamedTuple

import websockets

from tests.faults.proxy import LoopThread

FIRST_S, MOST_S, SILENT_BEATS = 0.5, 20.0, 2.5
parse = lru_cache(maxsize=256)(json.loads)  # hundreds of clients are sent the very same text; nobody may change it


class Seen(NamedTuple):
    """One frame: when it came (both clocks), on which connection of its client, and what it said."""

    at: float
    wall: float
    connection: int
    frame: dict[str, Any]


class Picture:
    """What a page would show, by the rules of the protocol."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.extras: dict[str, Any] = {}
        self.details: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, dict[int, str]] = {}

    def take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "snapshot":
            self.jobs = {}
        if frame["type"] in ("snapshot", "patch"):
            self.extras |= {name: frame[name] for name in ("stats", "workers", "queues") if name in frame}
            for job in frame.get("gone", ()):
                self.jobs.pop(job, None)
            for job in frame.get("jobs", ()):
                known = self.jobs.get(job["id"])
                if known is None or known["version"] < job["version"]:
                    self.jobs[job["id"]] = job
        elif frame["type"] == "job":
            job = frame["job"]
            self.details[job["id"]] = self.details.get(job["id"], {}) | {k: v for k, v in job.items() if k != "log"}
            self.logs.setdefault(job["id"], {}).update({line["seq"]: line["text"] for line in job["log"]})


class Recorder:
    """One client. ``acks``: does it acknowledge; ``reads``: does it read at all."""

    def __init__(self, name: str, port: int, session: str, *, acks: bool = True, seed: int = 0) -> None:
        self.name, self.port, self.acks = name, port, acks
        self.headers = {"Cookie": f"signalbox_session={session}", "Origin": f"http://127.0.0.1:{port}"}
        self.random = random.Random(f"{seed}/{name}")
        self.seen: list[Seen] = []
        self.picture = Picture()
        self.connections = 0
        self.connected_at: list[float] = []  # when each connection got its first snapshot
        self.lost_at: list[float] = []
        self.closed: list[tuple[int | None, str]] = []
        self.refused = 0
        self.jobs: list[str] = []  # watched beside the board
        self.live = False
        self._socket: Any = None
        self._task: asyncio.Task | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=5)

    async def watch(self, job: str) -> None:
        self.jobs.append(job)
        if self._socket is not None:
            with contextlib.suppress(websockets.ConnectionClosed):
                await self._socket.send(json.dumps({"type": "watch", "job": job, "after": 0}))

    async def _run(self) -> None:
        wait = FIRST_S
        while True:
            before = len(self.connected_at)
            try:
                await self._connect()
            except (OSError, TimeoutError, websockets.WebSocketException):
                self.refused += 1
            if len(self.connected_at) > before:
                wait = FIRST_S
                self.lost_at.append(time.monotonic())
            self.live = False
            await asyncio.sleep(self.random.uniform(0, wait))
            wait = min(wait * 2, MOST_S)

    async def _connect(self) -> None:
        url = f"ws://127.0.0.1:{self.port}/ws/live/"
        options = {"max_size": 1024 * 1024, "compression": None, "ping_interval": None, "close_timeout": 1}
        socket = await websockets.connect(
            url, subprotocols=["signalbox.v1"], additional_headers=self.headers, open_timeout=10, proxy=None, **options
        )
        self.connections += 1
        self._socket = socket
        try:
            await socket.send('{"type":"watch","board":true}')
            for job in self.jobs:
                await socket.send(json.dumps({"type": "watch", "job": job, "after": 0}))
            await self._read(socket)
        except websockets.ConnectionClosed as closed:
            self.closed.append((closed.rcvd and closed.rcvd.code, (closed.rcvd and closed.rcvd.reason) or ""))
        finally:
            self._socket = None
            socket.transport.abort()

    async def _read(self, socket: Any) -> None:
        every = 5.0
        while True:
            text = await asyncio.wait_for(socket.recv(), every * SILENT_BEATS)
            frame = parse(text)
            self.seen.append(Seen(time.monotonic(), time.time(), self.connections, frame))
            every = frame.get("every", every)
            self.picture.take(frame)
            if frame["type"] == "snapshot":
                self.connected_at.append(time.monotonic())
                self.live = True
            if self.acks and "n" in frame:
                await socket.send(f'{{"type":"ack","n":{frame["n"]}}}')


class Clients(LoopThread):
    """The loop of all recorders."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__("faults-clients")
        self.seed = seed
        self.all: list[Recorder] = []

    def add(self, port: int, sessions: list[str], number: int, prefix: str = "c", **options: Any) -> list[Recorder]:
        """``number`` clients of one web process, spread over sessions; each is connected, or on its way."""
        made = [
            Recorder(
                f"{prefix}{port}-{len(self.all) + i}", port, sessions[i % len(sessions)], seed=self.seed, **options
            )
            for i in range(number)
        ]
        self.all += made
        self.call(self._start(made))
        return made

    async def _start(self, recorders: list[Recorder]) -> None:
        for recorder in recorders:
            await recorder.start()
            await asyncio.sleep(0.01)  # arrivals of a crowd, not of a stampede

    def remove(self, recorders: list[Recorder]) -> None:
        async def stop() -> None:
            await asyncio.gather(*(recorder.stop() for recorder in recorders))

        self.call(stop())
        self.all = [recorder for recorder in self.all if recorder not in recorders]

    def watch(self, recorder: Recorder, job: str) -> None:
        self.call(recorder.watch(job))

"""What the live tests share: a reference client, summaries, a Valkey of one's own, servers on the test database."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import redis
import websockets
from django.conf import settings
from django.test import Client
from websockets.asyncio.client import ClientConnection

from live import channel_layer
from project import parts, valkey
from tasks.engine.models import Job
from tests.support.processes import ROOT, wait_until
from tests.support.servers import FAST, Servers

SUBPROTOCOL = "signalbox.v1"
BEGUN, SECOND = datetime(2026, 11, 23, 10, tzinfo=UTC), timedelta(seconds=1)
_ids = count(1)


def uid(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


def summary(job: str | None = None, version: int = 1, state: str = "queued", **more: Any) -> dict[str, Any]:
    """A job's summary with all of its keys; it need not be in any database."""
    started = state not in ("scheduled", "queued")
    finished = state in ("succeeded", "failed", "cancelled")
    row = Job(
        uid=job or uid(next(_ids)), version=version, kind="noop", queue="default", state=state,
        created_at=BEGUN, started_at=BEGUN + SECOND if started else None,
        finished_at=BEGUN + 2 * SECOND if finished else None,
    )  # fmt: skip
    return row.summary() | {"owner": "alice"} | more


class Page:
    """The shortest honest client: what docs/protocol.md asks of one."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.extras: dict[str, Any] = {}
        self.details: dict[str, dict[str, Any]] = {}
        self.frames: list[dict[str, Any]] = []
        self.n = 0

    def take(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        if "n" in frame:
            assert frame["n"] > self.n, "n rises within a connection"
            self.n = frame["n"]
        if frame["type"] == "snapshot":
            self.jobs = {}
        for job in frame.get("gone", ()):
            self.jobs.pop(job, None)
        for job in frame.get("jobs", ()):
            if job["version"] >= self.jobs.get(job["id"], job)["version"]:
                self.jobs[job["id"]] = job
        self.extras |= {name: frame[name] for name in ("stats", "workers", "queues") if name in frame}
        if frame["type"] == "job":
            self._detail(frame["job"])

    def _detail(self, news: dict[str, Any]) -> None:
        job = self.details.setdefault(news["id"], {"attempts": [], "log": []})
        attempts = {a["number"]: a for a in job["attempts"]} | {a["number"]: a for a in news["attempts"]}
        lines = {line["seq"]: line for line in job["log"]} | {line["seq"]: line for line in news["log"]}
        job |= news | {"attempts": list(attempts.values()), "log": [lines[seq] for seq in sorted(lines)]}

    def states(self) -> dict[str, tuple[str, int]]:
        return {job: (row["state"], row["version"]) for job, row in self.jobs.items()}


class OwnValkey:
    """A Valkey that a test may stop, kill, and start again at the same address."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.command, self.url = valkey.configure(folder, append=False)
        self.process: subprocess.Popen | None = None

    def start(self) -> "OwnValkey":
        self.process = self.servers.keep(self.command)
        wait_until(lambda: parts.pongs(None, self.url), what="Valkey")
        return self

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def hang(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.wake()
            self.process.kill()
            self.process.wait()
            self.servers.watchdog.forget(self.process.pid)


def layers(url: str, backend: str = "channels_redis.pubsub.RedisPubSubChannelLayer") -> dict[str, Any]:
    """CHANNEL_LAYERS for a Valkey."""
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": [url], "prefix": settings.SIGNALBOX_NAME}}}


CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"


@contextlib.asynccontextmanager
async def ear() -> AsyncIterator[Callable[[], Any]]:
    """A member of the group; call what it gives for the next message."""
    member = channel_layer.fresh()
    channel = await member.new_channel()
    await member.group_add(channel_layer.group(), channel)
    try:
        yield lambda: asyncio.wait_for(member.receive(channel), 10)
    finally:
        await channel_layer.drop(member)


async def until(true: Callable[[], object], seconds: float = 15, what: str = "it") -> Any:
    """Waits inside a loop until the answer is true."""
    end = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < end, f"{what} was not true within {seconds:g} s"
        await asyncio.sleep(0.01)
    return answer


class Served:
    """A real daphne or uvicorn on the database of the running test."""

    def __init__(self, servers: Servers, server: str, database_url: str, log: Path, *words: str, **more: str) -> None:
        self.servers, self.server, self.log_file, self.port = servers, server, log, valkey.free_port()
        where = ["--port", str(self.port)] if server == "uvicorn" else ["-b", "127.0.0.1", "-p", str(self.port)]
        options = parts.UVICORN if server == "uvicorn" else parts.DAPHNE
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", server, *options, *where, *words, "project.asgi:application"],
                env=os.environ | FAST | {"DATABASE_URL": database_url} | more, cwd=ROOT, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        servers.watchdog.watch(self.process.pid)

    def wait_ready(self) -> "Served":
        wait_until(lambda: self.process.poll() is not None or self._answers(), 150, f"{self.server}\n{self.log()}")
        assert self.process.poll() is None, self.log()
        return self

    def _answers(self) -> bool:
        return parts.answers(None, "127.0.0.1", self.port, "127.0.0.1")

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/live/"

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def connect(self, user: Any = None, token: str | None = None, **more: Any) -> websockets.connect:
        """A connection of a browser where the user is logged in, or of a program with a token."""
        headers = {"Authorization": f"Token {token}"} if token else {}
        if user is not None:
            headers["Cookie"] = f"{settings.SESSION_COOKIE_NAME}={session(user)}"
            more.setdefault("origin", self.origin)
        more.setdefault("subprotocols", [SUBPROTOCOL])
        headers |= more.pop("additional_headers", {})
        return websockets.connect(self.url, additional_headers=headers, max_size=2**20, **more)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.servers.watchdog.forget(self.process.pid)


def session(user: Any) -> str:
    """The key of a new session of this user."""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


async def say(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


async def next_frame(socket: ClientConnection, *kinds: str, seconds: float = 10) -> dict[str, Any]:
    """The next frame of one of these types; those that count are acknowledged."""
    async with asyncio.timeout(seconds):
        while True:
            frame = json.loads(await socket.recv())
            if "n" in frame:
                await say(socket, type="ack", n=frame["n"])
            if frame["type"] in kinds:
                return frame


async def follow(socket: ClientConnection, page: Page, done: Callable[[], object], seconds: float = 15) -> None:
    """Feed a page until it shows what is wanted."""
    async with asyncio.timeout(seconds):
        while not done():
            frame = json.loads(await socket.recv())
            page.take(frame)
            if "n" in frame:
                await say(socket, type="ack", n=frame["n"])


@contextlib.contextmanager
def stopped(process: subprocess.Popen) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)

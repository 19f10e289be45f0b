"""Readers that do not read: they cost a bounded amount of memory, delay nobody, and are gone after a while."""

import asyncio
import base64
import contextlib
import socket
import time

import psutil
import pytest
import uvicorn
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from django.db import OperationalError

from live import auth, mailbox, push
from live import hub as hubs
from live.routing import websocket_urlpatterns
from project import parts
from tasks.access.models import Token
from tests.conftest import database_url_of_the_test
from tests.support.live_parts import Page, Served, follow, next_frame, say, summary, uid, until
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)
rows = sync_to_async


def token(name="vera"):
    return Token.objects.make(person(name), "read")[1]


def masked(text):
    """A client's frame, with a mask of zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()


async def stuck_reader(port, text):
    """Shakes hands, asks for the board, and never reads again. Returns its writer: keep it."""
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    link.setblocking(False)
    await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=link, limit=2**10)
    key = base64.b64encode(b"0123456789abcdef").decode()
    writer.write(
        f"GET /ws/live/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: signalbox.v1\r\n"
        f"Authorization: Token {text}\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    while await reader.readline() != b"\r\n":
        pass
    writer.transport.pause_reading()
    writer.write(masked('{"type": "watch", "board": true}'))
    return writer


def large(version, count=115):
    """Summaries that fill frames: running jobs that no reconcile knows of, with long errors."""
    return [summary(uid(number + 1), version, "running", error="x" * 4_000) for number in range(count)]


@pytest.fixture(params=["daphne", "uvicorn"])
def served(request, servers, transactional_db, tmp_path, monkeypatch):
    monkeypatch.setattr(push, "_sender", push.Sender())
    url = database_url_of_the_test(servers)
    server = Served(servers, request.param, url, tmp_path / "server.log", SIGNALBOX_RECONCILE_S="30")
    yield server.wait_ready()
    server.stop()


@pytest.mark.process
async def test_stuck_readers_cost_little_and_delay_nobody(served):
    text = await rows(token)()
    async with served.connect(token=text) as quick:
        page = Page()
        await say(quick, type="watch", board=True)
        await follow(quick, page, lambda: page.frames)
        while uid(0) not in page.jobs:  # until the hub gets hints
            push.job_changed(summary(uid(0), time.time_ns(), "running"))
            with contextlib.suppress(TimeoutError):
                await follow(quick, page, lambda: uid(0) in page.jobs, 1)
        stuck = [await stuck_reader(served.port, text) for _ in range(10)]
        before = psutil.Process(served.process.pid).memory_info().rss
        waits = []
        for version in range(1, 61):
            began = time.monotonic()
            for row in large(version):
                push.job_changed(row)
            await follow(quick, page, lambda v=version: page.states().get(uid(100)) == ("running", v))
            waits.append(time.monotonic() - began)
        grown = psutil.Process(served.process.pid).memory_info().rss - before
        for writer in stuck:
            writer.close()
    # 60 × 400 kB for each of ten readers would be 240 MB. The window lets four frames of at most 512 KiB through.
    assert grown < 60e6
    assert sorted(waits)[len(waits) // 2] < 1


@contextlib.asynccontextmanager
async def in_this_loop():
    """A real uvicorn whose application shares our loop, so that a test can turn its screws."""
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)  # so that a write blocks as soon as nobody reads
    door.bind(("127.0.0.1", 0))
    app = URLRouter(websocket_urlpatterns)
    config = uvicorn.Config(
        app, ws="websockets-sansio", lifespan="off", ws_per_message_deflate=False, log_level="warning",
        ws_max_size=parts.MAX_MESSAGE, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([door]))
    try:
        await until(lambda: server.started)
        yield door.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait([task])
        hub = hubs.current()
        hub.stop()
        await until(lambda: all(task.done() for task in hub._tasks))


@pytest.mark.long
async def test_who_blocks_a_write_is_cut_off_in_the_end(monkeypatch, settings):
    monkeypatch.setattr(mailbox, "PATIENCE_S", 0.5)
    monkeypatch.setattr(mailbox, "CLOSE_S", 0.3)
    settings.SIGNALBOX_RECONCILE_S, settings.SIGNALBOX_BEAT_S = 60, 0.2
    text = await rows(token)()
    async with in_this_loop() as port:
        hub = hubs.current()
        writer = await stuck_reader(port, text)
        await until(lambda: hub.mailboxes and hub.agreed)
        [box] = hub.mailboxes
        versions = iter(range(1, 10_000))
        await until(lambda: hub.picture.hints({"type": "jobs", "jobs": large(next(versions))}) or box.task is not None)
        await until(lambda: hub.picture.hints({"type": "jobs", "jobs": large(next(versions), 1)}) or not hub.mailboxes)
        assert hub.counters.closed_slow == 1
        assert box.task is None
        writer.close()


async def test_too_many_sockets_are_closed_with_a_reason(settings):
    settings.SIGNALBOX_SOCKETS_PER_USER = 1
    text = await rows(token)()
    async with in_this_loop() as port:
        server = Served.__new__(Served)
        server.port = port
        async with server.connect(token=text) as first, server.connect(token=text) as second:
            await asyncio.wait_for(second.wait_closed(), 10)
            assert (second.close_code, second.close_reason) == (1013, "too many sockets of this user")
            await say(first, type="watch", board=True)
            await next_frame(first, "snapshot")


async def test_without_a_database_nobody_is_sent_to_the_login(monkeypatch):
    text = await rows(token)()

    def away(scope):
        raise OperationalError

    monkeypatch.setattr(auth, "authenticate", away)
    async with in_this_loop() as port:
        server = Served.__new__(Served)
        server.port = port
        async with server.connect(token=text) as client:
            await asyncio.wait_for(client.wait_closed(), 10)
            assert (client.close_code, client.close_reason) == (1013, "the database does not answer")

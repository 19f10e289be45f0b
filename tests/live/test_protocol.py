"""docs/protocol.md keeps its word: its client is run against a real server, its tables against the code."""

import asyncio
import contextlib
import json
import re
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from live import consumers, frames, mailbox
from live.board import LIMITS
from live.client import Client
from tasks.access.models import Token
from tasks.queries import board
from tests.conftest import database_url_of_the_test
from tests.support.live_hub import claim, submit
from tests.support.live_parts import Served, until
from tests.support.people import person

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
CLIENT = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
rows = sync_to_async


@pytest.fixture(params=["daphne", "uvicorn"])
def served(request, servers, transactional_db, tmp_path):
    server = Served(servers, request.param, database_url_of_the_test(servers), tmp_path / "server.log")
    yield server.wait_ready()
    server.stop()


@pytest.mark.process
async def test_the_client_of_the_page_is_correct(served):
    exec(CLIENT, names := {})
    shown = []
    _, token = await rows(Token.objects.make)(await rows(person)("vera"), "read")
    client = asyncio.create_task(names["watch"](served.url, token, lambda jobs, frame: shown.append((jobs, frame))))
    try:
        await until(lambda: shown, 30)
        jobs = await rows(submit)(12)
        await rows(claim)(jobs[0])
        await until(lambda: shown[-1][0].keys() == set(jobs) and shown[-1][0][jobs[0]]["state"] == "running", 30)
        fresh = await rows(board.board)()
        assert shown[-1][0] == {job["id"]: job for job in fresh["jobs"]}
        assert max(frame.get("n", 0) for _, frame in shown) > 0
    finally:
        client.cancel()
        await asyncio.wait([client])


@pytest.mark.long
@pytest.mark.parametrize("which", ["of the page", "of the library"])
async def test_a_client_that_is_cancelled_ends_whatever_comes_at_that_moment(which):
    """A receive that has ended by then must not swallow the cancel, as ``asyncio.wait_for`` of Python 3.11 does."""
    exec(CLIENT, names := {})
    seen = []

    async def flood(socket):
        frame = json.dumps({"type": "snapshot", "n": 1, "at": 0, "jobs": [], "stats": {}, "order": []})
        with contextlib.suppress(ConnectionClosed):
            for _ in range(200):
                await socket.send(frame)
                await socket.recv()

    def watch(address):
        if which == "of the page":
            return names["watch"](f"ws://{address}", "t", lambda jobs, frame: seen.append(frame))
        return of_the_library(Client(f"http://{address}", "t"))

    async def of_the_library(client):
        async for frame in client._frames({"type": "watch", "board": True}):
            seen.append(frame)  # noqa: PERF401 - before the last one has come

    async with serve(flood, "127.0.0.1", 0, subprotocols=["signalbox.v1"]) as server:
        for turn in range(40):
            client = asyncio.create_task(watch(f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
            await asyncio.sleep(0.01 + 0.001 * turn)
            client.cancel()
            done, _ = await asyncio.wait([client], timeout=15)
            assert done, f"cancel {turn} was swallowed"
    assert seen


def test_it_is_as_short_as_was_promised():
    assert len(CLIENT.strip().splitlines()) <= 12


def test_the_numbers_of_the_page_are_those_of_the_code():
    for said in (
        f"up to {LIMITS['running']} running", f"{LIMITS['queued']} queued", f"{LIMITS['retrying']} retrying",
        f"{LIMITS['finished']} that finished last", f"frame ({frames.LIMIT // 1024} KiB",
        f"At most {consumers.FRAME_LIMIT // 1024} KiB",
        f"{consumers.RATE:g} frames a second", f"{consumers.WATCHED} jobs at once", f"{frames.TEXT_LIMIT:,} characters",
        f"more than {frames.VALUE_LIMIT // 1024} KiB are replaced", f"for {mailbox.PATIENCE_S:g} seconds",
    ):  # fmt: skip
        assert said in " ".join(PAGE.split()), said
    assert mailbox.WINDOW == 4


def test_its_examples_are_json():
    for line in re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1].strip().splitlines():
        assert json.loads(line)["type"] in ("snapshot", "patch", "job", "news", "beat", "error")
    assert json.loads(PAGE.split("```json")[2].split("```")[0])["type"] == "gauge"
    for text in re.findall(r"`(\{\"type\".*?\})`", PAGE):
        assert json.loads(text)["type"] in ("watch", "unwatch", "ack")

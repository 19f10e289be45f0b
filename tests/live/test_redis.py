"""Hints come again, whatever has happened to Redis: the hub joins the group again and pages never notice."""

import asyncio
import time
from urllib.parse import urlsplit

import pytest

from live import channel_layer, push
from tests.support.live_hub import Tab, paced, running
from tests.support.live_parts import CORE, PUBSUB, OwnValkey, layers, summary, uid, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast(settings, monkeypatch):
    paced(settings, monkeypatch, 0.3, 0.5, 20)


@pytest.fixture(params=[PUBSUB, CORE], ids=["pubsub", "core"])
def own_valkey(request, servers, tmp_path, settings):
    valkey = OwnValkey(servers, tmp_path).start()
    settings.CHANNEL_LAYERS = layers(valkey.url, request.param)
    settings.SIGNALBOX_RECONCILE_S = 0.3
    yield valkey
    valkey.kill()


async def hint_arrives(hub):
    """Hints are sent until one of them reaches the hub."""
    before = hub.counters.hints

    def arrived():
        push.job_changed(summary(uid(77), time.monotonic_ns(), "running"))
        return hub.counters.hints > before

    await until(arrived, 30, "a hint")


@pytest.mark.long
async def test_hints_come_again_after_redis_was_killed(own_valkey):
    async with running() as hub:
        tab = Tab(hub).watch()
        await hint_arrives(hub)
        own_valkey.kill()
        seen = len(tab.of("beat"))
        # The database still answers; on a busy machine one answer may take longer.
        await until(lambda: len(tab.of("beat")) > seen + 2 and tab.of("beat")[-1]["age"] < 1)
        own_valkey.start()
        await hint_arrives(hub)


@pytest.mark.long
async def test_hints_come_again_after_redis_hung(own_valkey):
    async with running() as hub:
        tab = Tab(hub).watch()
        await hint_arrives(hub)
        own_valkey.hang()
        seen = len(tab.of("beat"))
        await until(lambda: len(tab.of("beat")) > seen + 4)
        own_valkey.wake()
        await hint_arrives(hub)


async def test_hints_come_again_after_redis_was_emptied(own_valkey):
    async with running() as hub:
        Tab(hub).watch()
        await hint_arrives(hub)
        await asyncio.to_thread(own_valkey.client().flushall)
        await hint_arrives(hub)


class Cable:
    """A way to Redis on which everything that is under way can be lost, without an error."""

    def __init__(self, url):
        self.parts, self.links, self.writers, self.server = urlsplit(url), [], [], None

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.url = self.parts._replace(netloc=f":{self.parts.password}@127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.lose()
        for writer in self.writers:
            writer.close()

    def lose(self):
        """The links that are there now carry nothing any more, and stay open."""
        for link in self.links:
            link.cancel()
        self.links = []

    async def _carry(self, reader, writer):
        there = await asyncio.open_connection("127.0.0.1", self.parts.port)
        self.writers += [writer, there[1]]
        self.links += [asyncio.create_task(pipe(reader, there[1])), asyncio.create_task(pipe(there[0], writer))]


async def pipe(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)


@pytest.mark.long
async def test_a_link_that_died_in_silence_is_noticed(own_valkey, settings):
    async with Cable(own_valkey.url) as cable:
        settings.CHANNEL_LAYERS = layers(cable.url, settings.CHANNEL_LAYERS["default"]["BACKEND"])
        async with running() as hub:
            Tab(hub).watch()
            await hint_arrives(hub)
            cable.lose()
            await hint_arrives(hub)


async def test_a_receive_that_raises_is_survived(monkeypatch):
    async with running() as hub:
        Tab(hub).watch()
        await hint_arrives(hub)
        push.job_changed({"id": uid(1), "version": 1})  # not a summary at all
        await hint_arrives(hub)
        await channel_layer.drop(hub._listener._layer)
        await hint_arrives(hub)

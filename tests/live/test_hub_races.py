"""The hub between two steps of its loop: it stops as somebody comes, reads what it cannot take, gets its end."""

import asyncio
import contextlib
import json

import pytest

from live import auth, channel_layer, consumers
from live import hub as hubs
from live.board import Board
from live.db_thread import DatabaseThread
from live.job_feeds import JobFeeds
from live.listener import Listener
from tests.support.live_hub import ANY, Tab, running, submit
from tests.support.live_parts import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast(settings, monkeypatch):
    settings.SIGNALBOX_RECONCILE_S, settings.SIGNALBOX_BEAT_S, settings.SIGNALBOX_TICK_MS = 0.2, 0.5, 20
    monkeypatch.setattr("live.state.withdrawn_visitors", lambda visitors: {})


async def test_who_comes_as_the_hub_stops_is_served_by_the_next(monkeypatch):
    """Its minute without sockets ends while somebody is looked up."""
    monkeypatch.setattr(hubs, "LINGER_S", 0.05)
    old = hubs.current()
    old.leave(Tab(old).mailbox)

    def slowly(scope):
        asyncio.run(until(lambda: hubs.all_hubs() == []))
        return ANY

    monkeypatch.setattr(auth, "authenticate", slowly)
    said, gone = asyncio.Queue(), asyncio.Event()
    await said.put({"type": "websocket.connect"})
    await said.put({"type": "websocket.receive", "text": json.dumps({"type": "watch", "board": True})})
    frames = []

    async def receive():
        if said.empty():
            await gone.wait()
            return {"type": "websocket.disconnect", "code": 1000}
        return said.get_nowait()

    async def send(message):
        if "text" in message:
            frames.append(json.loads(message["text"]))

    task = asyncio.create_task(consumers.LiveConsumer()({"type": "websocket", "subprotocols": []}, receive, send))
    await until(lambda: [frame for frame in frames if frame["type"] == "snapshot"])
    gone.set()
    await task
    assert hubs.current() is not old
    hubs.current().stop()


@pytest.mark.long
async def test_what_it_cannot_take_from_the_database_ends_no_reconciling(monkeypatch, caplog):
    """It reads on, and until it understands again its picture grows old, and says so."""
    real, rows = Board.diff, DatabaseThread("test-rows")
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot"))

        def foreign(*_):
            raise KeyError("a state of a later release")

        monkeypatch.setattr(Board, "diff", foreign)
        await until(lambda: hub.counters.failures > 2)
        await until(lambda: tab.of("beat")[-1:] and tab.of("beat")[-1]["age"] > 0.6)
        monkeypatch.setattr(Board, "diff", real)
        [job] = await rows.run(submit)
        await until(lambda: job in tab.page.jobs)
        await until(lambda: tab.of("beat")[-1]["age"] < 0.5)
        assert sum("could not be read" in record.message for record in caplog.records) == 1
    rows.stop()


async def test_an_ear_that_is_closed_while_it_connects_anew_stays_closed(monkeypatch):
    """channels_redis takes a cancel during its flush for the end of its own receiver, and says nothing of it."""
    flushing = asyncio.Event()

    class Layer:
        async def new_channel(self):
            if not flushing.is_set():
                raise ConnectionError("refused")
            return "channel"

        async def group_add(self, group, channel):
            pass

        async def receive(self, channel):
            await asyncio.sleep(30)

        async def flush(self):
            flushing.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(30)

    monkeypatch.setattr(channel_layer, "fresh", Layer)
    ear = asyncio.create_task(Listener(print)._listen())
    await flushing.wait()
    ear.cancel()
    await asyncio.wait([ear], timeout=3)
    still, _ = ear.done(), ear.cancel()
    assert still


async def test_a_watched_job_that_moves_as_its_reading_ends_is_read_again():
    watches, done = JobFeeds(None, None, None), []

    async def reading(n):
        done.append(n)
        if n == 1:  # runs after this task has ended, and before anybody learns of that
            asyncio.get_running_loop().call_soon(lambda: watches._start("job", reading(2)))

    watches._start("job", reading(1))
    await until(lambda: not watches._tasks)
    assert done == [1, 2]

"""Sockets without a network: a tab joins the hub of the test's own loop and feeds a page with what it is sent."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from uuid import UUID

from live import hub as hubs
from live import push
from live.auth import Visitor
from tasks.access import permissions
from tasks.engine import lifecycle
from tests.support.live_parts import Page, until

ANY = Visitor(0, "nobody", permissions.YES)


def paced(settings, monkeypatch, reconcile_s, beat_s, tick_ms):
    """A hub at a pace of the test's own, and pushes of the test's own. Who may stay has tests of its own."""
    settings.SIGNALBOX_RECONCILE_S, settings.SIGNALBOX_BEAT_S, settings.SIGNALBOX_TICK_MS = reconcile_s, beat_s, tick_ms
    monkeypatch.setattr(push, "_sender", push.Sender())
    monkeypatch.setattr("live.state.withdrawn_visitors", lambda visitors: {})


class Tab:
    """A socket with a page behind it. It acknowledges what it gets, unless asked otherwise."""

    def __init__(self, hub, visitor=None, acks=True):
        self.hub, self.acks, self.page, self.closed, self.errors = hub, acks, Page(), None, []
        self.blocked, self.texts = None, []
        self.mailbox = hub.join(self.send, visitor or ANY)

    async def send(self, message):
        if self.blocked is not None:
            await self.blocked
        if message["type"] == "websocket.close":
            self.closed = message["code"], message["reason"]
            return
        self.texts.append(message["text"])
        frame = json.loads(message["text"])
        if frame["type"] == "error":
            self.errors.append(frame)
            return
        self.page.take(frame)
        if self.acks and "n" in frame:
            asyncio.get_running_loop().call_soon(self.hub.ack, self.mailbox, frame["n"])

    def watch(self):
        self.hub.watch_board(self.mailbox)
        return self

    def of(self, *kinds):
        return [frame for frame in self.page.frames if frame["type"] in kinds]


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[hubs.Hub]:
    """The hub of this loop, and at the end no trace of it. (No fixture: it lives in the test's own loop and task.)"""
    hub = hubs.current()
    try:
        yield hub
    finally:
        hub.stop()
        await until(lambda: all(task.done() for task in [*hub._tasks, hub._listener._last_words] if task))


def submit(count=1, **more):
    return [str(lifecycle.submit("noop", {}, **more)[0].uid) for _ in range(count)]


def claim(job):
    return lifecycle.claim(UUID(job), "w1@here", 1)

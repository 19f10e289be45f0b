"""Hints: only ours are believed, so whoever writes to Redis shows nobody anything; pages read the database."""

import time

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings

from live import channel_layer, frames, hints
from project.asgi import application
from tests.support.live_hub import Tab, paced, running
from tests.support.live_parts import session, summary, uid, until
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


def test_ours_are_trusted_and_nothing_that_was_changed_or_is_old(monkeypatch):
    message = hints.signed([summary(uid(1), 3, "running")])
    assert hints.trusted(message)
    forged = message | {"jobs": [summary(uid(1), 4, "failed")]}
    for wrong in (
        forged, message | {"at": message["at"] + 1}, message | {"signature": "0" * 64}, message | {"signature": None},
        message | {"at": "soon"}, message | {"jobs": {}}, {"type": "jobs"}, {"type": "jobs", "jobs": message["jobs"]},
        hints.signed([summary(uid(n)) for n in range(hints.AT_ONCE + 1)]),
        hints.signed([summary(uid(1)) | {"error": "x" * hints.SIZE}]),
    ):  # fmt: skip
        assert not hints.trusted(wrong)
    now = time.time()
    for off, whether in ((-70, False), (-50, True), (50, True), (70, False)):
        monkeypatch.setattr(time, "time", lambda off=off: now + off)
        assert hints.trusted(message) is whether


def test_a_key_that_was_just_replaced_is_still_known(settings):
    message, old = hints.signed([summary(uid(1))]), settings.SECRET_KEY
    settings.SECRET_KEY = "another key, as long as it must be, and of many letters 0123456789"
    assert not hints.trusted(message)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert hints.trusted(message)


def test_a_long_note_bursts_no_row():
    long = summary(uid(1)) | {"progress": {"done": 1, "total": 2, "note": "n" * 5_000_000}}
    assert len(frames.row(long)) < 10_000


async def test_whoever_writes_to_redis_is_not_believed(settings, monkeypatch):
    paced(settings, monkeypatch, 3600, 3600, 20)
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot") and hub._listener.connects)
        visitor, before = channel_layer.fresh(), hub.counters.hints
        bad = summary(uid(7), 99, "running") | {"progress": {"done": 1, "total": 2, "note": "n" * 5_000_000}}
        for message in ({"type": "jobs", "jobs": [bad]}, {"type": "jobs", "jobs": 7}, {"type": "jobs"}):
            await visitor.group_send(channel_layer.group(), message)
        await visitor.group_send(channel_layer.group(), hints.signed([summary(uid(1), 1, "running")]))
        await until(lambda: hub.counters.hints > before)
        assert hub.counters.hints == before + 1
        assert uid(7) not in hub.picture.board.rows and tab.closed is None
        await channel_layer.drop(visitor)


@pytest.mark.parametrize(("scheme", "welcome"), [(None, True), ("Basic YTpi", True), ("Token wrong", False)])
async def test_a_proxys_own_password_undoes_no_session_at_the_socket(scheme, welcome):
    key = await sync_to_async(lambda: session(person("vera")))()
    headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={key}".encode()))
    if scheme:
        headers.append((b"authorization", scheme.encode()))
    socket = WebsocketCommunicator(application, "/ws/live/", headers, subprotocols=["signalbox.v1"])
    connected, _ = await socket.connect(timeout=5)
    assert connected is welcome
    await socket.disconnect()

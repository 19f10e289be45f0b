"""Hints: they arrive, newest first of all; and whatever happens to Redis, no caller fails or waits."""

import asyncio
import os
import threading
import time

import psutil
import pytest

from live import channel_layer, hints, push
from tests.support.live_parts import CORE, PUBSUB, OwnValkey, ear, layers, summary, uid, until
from tests.support.processes import wait_until


@pytest.fixture(autouse=True)
def sender(monkeypatch):
    """A process that has not sent anything yet."""
    monkeypatch.setattr(push, "_sender", push.Sender())


@pytest.fixture
def own_valkey(servers, tmp_path, settings):
    valkey = OwnValkey(servers, tmp_path).start()
    settings.CHANNEL_LAYERS = layers(valkey.url)
    yield valkey
    valkey.kill()


@pytest.fixture(params=[PUBSUB, CORE], ids=["pubsub", "core"])
def any_layer(request, settings):
    settings.CHANNEL_LAYERS = layers(settings.REDIS_URL, request.param)


async def newest(listen, jobs):
    """Listen until every job has arrived at its version; returns the messages that it took."""
    messages, versions = [], {}
    while any(versions.get(job, 0) < version for job, version in jobs.items()):
        messages.append(await listen())
        for row in messages[-1]["jobs"]:
            versions[row["id"]] = max(row["version"], versions.get(row["id"], 0))
    return messages


async def test_a_hint_arrives_at_once(any_layer):
    async with ear() as listen:
        push.job_changed(summary(uid(1), 7, "running", progress={"done": 3, "total": 10, "note": "größer"}))
        message = await listen()
    assert message["type"] == "jobs"
    assert message["jobs"][0] == summary(uid(1), 7, "running", progress={"done": 3, "total": 10, "note": "größer"})


@pytest.mark.long
async def test_many_changes_are_few_messages(any_layer):
    changes = [summary(uid(number), version, "running") for version in range(1, 51) for number in range(500)]
    async with ear() as listen:
        began = time.monotonic()
        for change in changes:
            push.job_changed(change)
        took = time.monotonic() - began
        messages = await newest(listen, {uid(number): 50 for number in range(500)})
    assert max(len(message["jobs"]) for message in messages) <= hints.AT_ONCE
    last = 500 // hints.AT_ONCE + 3  # those that still waited when the changes ended, and one or two on their way
    assert len(messages) <= took / push.PERIOD_S + last, "25,000 changes one by one would be 125 messages"


@pytest.mark.long
async def test_twenty_threads_at_once():
    start = threading.Barrier(20)

    def hammer(first):
        start.wait()
        for version in range(1, 201):
            for job in range(10):
                push.job_changed(summary(uid(job), version * 20 + first, "running"))

    async with ear() as listen:
        threads = [threading.Thread(target=hammer, args=(first,)) for first in range(20)]
        for thread in threads:
            thread.start()
        await newest(listen, {uid(job): 200 * 20 + 19 for job in range(10)})
        assert await asyncio.to_thread(push.flush, 5)
    assert push.counters()["failed"] == push.counters()["dropped"] == push.counters()["waiting"] == 0
    assert [thread.name for thread in threading.enumerate()].count("signalbox-push") >= 1


async def test_an_event_loop_may_call_it():
    asyncio.get_running_loop().set_debug(True)
    async with ear() as listen:
        began = time.perf_counter()
        for version in range(1, 20_001):
            push.job_changed({"id": uid(1), "version": version})
        each = (time.perf_counter() - began) / 20_000
        await newest(listen, {uid(1): 20_000})
    assert each < 20e-6


@pytest.mark.long
def test_a_hung_redis_neither_blocks_nor_leaks(own_valkey):
    push.job_changed(summary(uid(1)))
    assert push.flush(5)
    own_valkey.hang()
    process = psutil.Process()
    began = time.monotonic()
    for number in range(3_000):
        push.job_changed(summary(uid(number)))
    assert time.monotonic() - began < 1
    assert not push.flush(0.1)
    wait_until(lambda: push.counters()["failed"] >= 2 * hints.AT_ONCE, 10)
    files, threads = process.num_fds(), process.num_threads()
    wait_until(lambda: push.counters()["failed"] >= 5 * hints.AT_ONCE, 10)
    assert process.num_fds() <= files + 1
    assert process.num_threads() <= threads
    own_valkey.wake()
    failed = push.counters()["failed"]
    assert push.flush(10)
    assert push.counters()["sent"] >= 3_000 - failed


def test_a_dead_redis_costs_nothing(settings):
    settings.CHANNEL_LAYERS = layers("redis://127.0.0.1:1/0")
    began = time.monotonic()
    for number in range(push.KEPT + 2_000):
        push.job_changed(summary(uid(number)))
    assert time.monotonic() - began < 10, "each call waited: a millisecond would be twelve seconds in all"
    wait_until(lambda: push.counters()["failed"] > 0, 10)
    counted = push.counters()
    assert counted["waiting"] <= push.KEPT
    tried = counted["failed"] + hints.AT_ONCE  # the slower this machine, the more were tried meanwhile
    assert counted["dropped"] + tried >= 2_000
    assert counted["sent"] == 0


async def test_it_recovers_when_redis_is_back(own_valkey):
    push.job_changed(summary(uid(1)))
    assert await asyncio.to_thread(push.flush, 5)
    own_valkey.kill()
    push.job_changed(summary(uid(2)))
    await until(lambda: push.counters()["failed"] == 1)
    own_valkey.start()
    async with ear() as listen:
        push.job_changed(summary(uid(3)))
        await newest(listen, {uid(3): 1})


async def test_a_forked_child_sends_by_itself():
    async with ear() as listen:
        push.job_changed(summary(uid(1)))
        await listen()
        lock = push._sender._lock
        child = (
            os.fork() if lock.acquire() else 0
        )  # the parent holds the lock while it forks, as bad luck would have it
        if child == 0:
            push.job_changed(summary(uid(2), os.getpid()))
            os._exit(0 if push.flush(5) else 1)
        lock.release()
        message = await listen()
        assert [row["version"] for row in message["jobs"]] == [child]
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0


def test_nothing_that_it_is_handed_raises(caplog):
    push.job_changed({})
    push.job_changed(None)
    push.job_changed(summary(uid(1), progress=object()))
    assert push.flush(5)
    assert push.counters()["failed"] == 1


def test_without_a_layer_nothing_happens(settings):
    settings.CHANNEL_LAYERS = {}
    push.job_changed(summary())
    wait_until(lambda: push.counters()["failed"] == 1)


@pytest.mark.parametrize("backend", [PUBSUB, CORE, "channels.layers.InMemoryChannelLayer"])
async def test_dropping_connections_takes_nothing_from_others(settings, backend):
    config = {} if "InMemory" in backend else layers(settings.REDIS_URL)["default"]["CONFIG"]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    async with ear() as listen:
        other = channel_layer.fresh()
        await other.group_send(channel_layer.group(), {"type": "one"})
        await channel_layer.drop(other)
        await other.group_send(channel_layer.group(), {"type": "two"})  # it can be used again
        await channel_layer.drop(other)
        if config:
            assert [(await listen())["type"], (await listen())["type"]] == ["one", "two"]

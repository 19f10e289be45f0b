"""The live side: web processes killed and frozen, hints lost and doubled, bad readers, rights withdrawn."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable

import pytest
import websockets

from tests.faults.checker import Checker, live
from tests.faults.proxy import FAIR, HELD
from tests.faults.recorder import Recorder
from tests.faults.rig import Rig
from tests.support.processes import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.process]
SOCKETS = 200
BACK_S = 15.0
DAPHNE, UVICORN = 0, 1
MIB = 1 << 20


@pytest.fixture(autouse=True)
def once(database: str) -> None:
    if database != "sqlite":
        pytest.skip("the live side knows no database: its faults are tried once, on SQLite")


def settled(rig: Rig, checker: Checker, crowd: list[Recorder], seconds: float = 40) -> None:
    wait_until(lambda: live(crowd) == len(crowd), seconds, "all sockets are back")
    wait_until(checker.settled, seconds, "every job ended and every page right")


@pytest.mark.parametrize("server", [DAPHNE, UVICORN], ids=["daphne", "uvicorn"])
def test_killed_under_many_sockets(
    server: int, rig: Rig, checker: Checker, settle: Callable, measured: Callable
) -> None:
    """The other process takes them meanwhile, as behind any load balancer; all come back, and not all at once."""
    link = rig.to_web[server]
    own, other = rig.web[server], rig.to_web[1 - server].to[0]
    crowd = rig.clients.add(link.port, rig.sessions, SOCKETS, prefix="crowd")
    try:
        settled(rig, checker, crowd)
        rig.submit_some(10)
        link.to.append(other)
        own.kill()
        killed = time.monotonic()
        wait_until(lambda: all(r.connected_at[-1] > killed for r in crowd), 60, "all sockets are back")
        back = sorted(recorder.connected_at[-1] - killed for recorder in crowd)
        own.wait_ready()
        settled(rig, checker, crowd)
    finally:
        rig.clients.remove(crowd)
        link.to[:] = link.to[:1]
        link.reset()  # who fled to the other process comes home, or the next scenario breaks what nobody watches
    settle(40)
    half, last = statistics.median(back), back[-1]
    measured(f"{own.name} killed under {SOCKETS} sockets: half back after {half:.1f} s, all after {last:.1f} s")
    assert last < BACK_S
    assert back[-1] - back[0] > 0.2, "they came back all at once"


def test_frozen_under_many_updates(rig: Rig, checker: Checker, settle: Callable, measured: Callable) -> None:
    """A web process stands still for 10 s while 1,000 versions pass it by."""
    frozen = rig.web[UVICORN]
    pages = [recorder for recorder in rig.clients.all if recorder.port == rig.to_web[UVICORN].port]
    assert live(pages) == len(pages) > 0
    frozen.freeze()
    began = time.monotonic()
    try:
        jobs = rig.inside.get("submit_many", kind="noop", many=[{}] * 334)
        wait_until(lambda: rig.truth.unfinished() == 0, 60, "all ran")
        wait_until(lambda: live(pages) == 0, 20, "its pages notice")  # 2.5 beats of 5 s, if none has come yet
        time.sleep(max(0.0, began + 10 - time.monotonic()))
    finally:
        frozen.thaw()
    thawed = time.monotonic()
    wait_until(lambda: checker.disagreement() is None, 20, "all pages right")
    took = time.monotonic() - thawed
    measured(f"web frozen {thawed - began:.0f} s under {3 * len(jobs)} moves: all pages right {took:.1f} s after")
    settle()


@pytest.mark.parametrize("fault", [{"drop": 0.3}, {"double": 1.0}, {"delay": 3.0}], ids=["drops", "doubles", "delays"])
def test_a_layer_that_lies(fault: dict, rig: Rig, checker: Checker, settle: Callable, measured: Callable) -> None:
    rig.faults.write_text(json.dumps(fault))
    rig.submit_some(30, seconds=0.3)
    wait_until(lambda: rig.truth.unfinished() == 0, 40, "all ran")
    ended = time.monotonic()
    wait_until(lambda: checker.disagreement() is None, 10, "all pages right while the layer still lies")
    took = time.monotonic() - ended
    settle()
    measured(f"push layer with {fault}: pages were right {took:.1f} s after the last job, the fault still there")


@pytest.mark.parametrize("server", [DAPHNE, UVICORN], ids=["daphne", "uvicorn"])
def test_readers_that_never_read(server: int, rig: Rig, checker: Checker, settle: Callable, measured: Callable) -> None:
    """They delay nobody and cost little; sooner or later they are cut off."""
    link, web = rig.to_web[server], rig.web[server]
    before, memory = delays(rig, 12), web.memory()
    stuck = [rig.clients.call(deaf(rig, link.port, rig.sessions[n % 6])) for n in range(20)]
    try:
        during, more = delays(rig, 12), web.memory() - memory
    finally:
        for socket in stuck:
            rig.clients.loop.call_soon_threadsafe(socket.transport.abort)
    settle()
    shown = f"p95 {1000 * before:.0f} → {1000 * during:.0f} ms, {more / MIB:+.1f} MiB"
    measured(f"20 readers that never read ({web.name}): {shown}")
    assert more < 50 * MIB
    assert during < before * 1.1 + 0.5  # bench/silent.py compares pairs, and holds it to 10 %


async def deaf(rig: Rig, port: int, session: str) -> websockets.ClientConnection:
    """Asks for everything, reads nothing."""
    headers = {"Cookie": f"signalbox_session={session}", "Origin": f"http://127.0.0.1:{port}"}
    socket = await websockets.connect(
        f"ws://127.0.0.1:{port}/ws/live/", subprotocols=["signalbox.v1"], additional_headers=headers, proxy=None,
        ping_interval=None, compression=None, max_queue=1,
    )  # fmt: skip
    socket.transport.pause_reading()
    await socket.send('{"type":"watch","board":true}')
    return socket


def delays(rig: Rig, number: int) -> float:
    """Seconds from a commit to the frame that shows it, the 95th of 100, on the pages that are open."""
    pages, found = rig.clients.all, []
    for n in range(number):
        began = time.monotonic()
        job = rig.submit("traced", n=n, seconds=0).value
        wait_until(lambda job=job: all(job in page.picture.jobs for page in pages), 10, "all pages show it")
        found.append(time.monotonic() - began)
        time.sleep(0.1)
    return sorted(found)[int(len(found) * 0.95)]


def test_half_open(rig: Rig, checker: Checker, settle: Callable, measured: Callable) -> None:
    """The network swallows everything in silence: the client notices by itself, and comes back when it can."""
    link = rig.to_web[UVICORN]
    pages = [recorder for recorder in rig.clients.all if recorder.port == link.port]
    link.set(HELD)
    began = time.monotonic()
    wait_until(lambda: live(pages) == 0, 20, "they notice")
    noticed = time.monotonic() - began
    rig.submit_some(5)
    link.set(FAIR)
    settle(40)
    measured(f"half-open sockets: noticed after {noticed:.1f} s (beat every 1 s)")


@pytest.mark.parametrize("how", ["log_out", "withdraw"])
def test_whoever_may_not_stay_is_shown_out(how: str, rig: Rig, settle: Callable, measured: Callable) -> None:
    name = f"guest-{how}"
    session = rig.inside.get("session", name=name, role="viewer")
    guests = [rig.clients.add(link.port, [session], 1, prefix=how)[0] for link in rig.to_web]
    try:
        wait_until(lambda: live(guests) == len(guests), 20, "they are in")
        rig.inside.get(how, **({"key": session} if how == "log_out" else {"name": name}))
        began = time.monotonic()
        wait_until(lambda: all(guest.closed for guest in guests), 30, "they are out")
        took = time.monotonic() - began
        wait_until(lambda: all(guest.refused for guest in guests), 30, "they may not come back")
        assert {guest.closed[0][0] for guest in guests} == {4401 if how == "log_out" else 4403}
    finally:
        rig.clients.remove(guests)
    measured(f"{how}: sockets closed after {took:.1f} s (reconcile every 1 s)")
    settle()


BAD_TEXT = b"\x81\x84\0\0\0\0\xff\xff\xff\xff"  # a masked text frame of four bytes that are no UTF-8
HOSTILE = {
    "64 MiB": lambda: ["x" * (64 * MIB)],
    "deep JSON": lambda: ["[" * 60_000],
    "no JSON": lambda: ["{"],
    "binary": lambda: [b"\xff\xfe\xfd"],
    "1,000 a second": lambda: ['{"type":"ack","n":1}'] * 3_000,
}


@pytest.mark.parametrize("server", [DAPHNE, UVICORN], ids=["daphne", "uvicorn"])
def test_hostile_frames(server: int, rig: Rig, settle: Callable, measured: Callable) -> None:
    link, web = rig.to_web[server], rig.web[server]
    memory, pid = web.memory(), web.pid
    codes = {name: rig.clients.call(abuse(link.port, rig.sessions[0], make())) for name, make in HOSTILE.items()}
    codes["bad UTF-8"] = rig.clients.call(abuse(link.port, rig.sessions[0], [], raw=BAD_TEXT))
    more = (web.memory() - memory) / MIB
    measured(f"{web.name}: {codes}, {more:+.0f} MiB")
    assert (web.pid, web.is_ready()) == (pid, True)
    assert all(code in (1002, 1003, 1006, 1007, 1009, 4400) for code in codes.values()), codes
    assert more < 150
    settle()


async def abuse(port: int, session: str, messages: list, raw: bytes = b"") -> int:
    """Sends what nobody should; returns the code with which the server ends it."""
    headers = {"Cookie": f"signalbox_session={session}", "Origin": f"http://127.0.0.1:{port}"}
    socket = await websockets.connect(
        f"ws://127.0.0.1:{port}/ws/live/", subprotocols=["signalbox.v1"], additional_headers=headers, proxy=None,
        ping_interval=None, compression=None, close_timeout=2,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):
            if raw:
                socket.transport.write(raw)
            for message in messages:
                await socket.send(message)
            async for _ in socket:
                pass
    except (websockets.ConnectionClosed, OSError):
        pass
    finally:
        socket.transport.abort()
    return socket.close_code or 1006

"""What plain Celery with plain Channels does under the faults of docs/guarantees.md.

    python -m tests.faults.plain [--late] [--postgres] [--only FAULT ...]

One line for each fault: jobs accepted (delay() returned), lost (not ended by the time that the line names), run twice,
effects doubled, the longest delay(), and pages that show something else than the rows. No verdict: it is the peer.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from asgiref.sync import async_to_sync

from tests.faults import weather
from tests.faults.plain.rig import Page, Plain
from tests.faults.proxy import CUT, FAIR, HELD, Weather
from tests.support.processes import wait_until

Scene = Callable[[Plain], str]
SCENES: dict[str, Scene] = {}
POSTGRES = ("connections_ended", "postgres_killed", "database_cut")
MIB = 1 << 20


def scene(play: Scene) -> Scene:
    SCENES[play.__name__] = play
    return play


@scene
def nothing(rig: Plain) -> str:
    """For comparison: what the load alone does on this machine."""
    time.sleep(10)
    return "10 s"


@scene
def kills(rig: Plain) -> str:
    for _ in range(20):
        time.sleep(rig.random.uniform(0, 0.8))
        weather.worker_killed(rig, rig.random)
    return "20 of a child, a parent or a whole worker"


@scene
def worker_frozen(rig: Plain) -> str:
    rig.workers[0].freeze()
    time.sleep(15)
    return "15 s"


@scene
def sigterm(rig: Plain) -> str:
    for _ in range(4):
        rig.ask("traced", seconds=8)
    time.sleep(1.5)
    took = rig.workers[0].stop(seconds=40)
    rig.workers[0].start()
    return f"worker gone after {took:.1f} s"


@scene
def delivered_thrice(rig: Plain) -> str:
    for job in [rig.ask("traced", seconds=0.5) for _ in range(10)]:
        for _ in range(2):
            rig.site.traced.apply_async((job,), {"seconds": 0.5})
    return "10 jobs"


@scene
def redis_killed(rig: Plain) -> str:
    rig.redis.kill(restart=False)
    time.sleep(4)
    rig.redis.start().wait_ready()
    return "4 s"


@scene
def redis_hung(rig: Plain) -> str:
    rig.redis.freeze()
    time.sleep(5)
    rig.redis.thaw()
    return "5 s"


@scene
def redis_full(rig: Plain) -> str:
    weather.tell_redis(rig, "CONFIG", "SET", "maxmemory", "1")
    time.sleep(3)
    weather.tell_redis(rig, "CONFIG", "SET", "maxmemory", "0")
    return "3 s"


@scene
def redis_wiped(rig: Plain) -> str:
    for _ in range(20):
        rig.ask("traced", seconds=0.5)
    for _ in range(2):
        weather.tell_redis(rig, "FLUSHALL")
        time.sleep(1)
    return "twice, with jobs waiting"


@scene
def redis_out_of_reach(rig: Plain) -> str:
    for state in (CUT, HELD, Weather(delay=0.3)):
        rig.work_broker.set(state)
        rig.work_layer.set(state)
        time.sleep(2)
    return "of workers: cut, deaf, 300 ms away"


@scene
def layer_hung(rig: Plain) -> str:
    ended = [rig.ran("end").total()]
    for state in (FAIR, HELD):
        rig.work_layer.set(state)
        time.sleep(10)
        ended.append(rig.ran("end").total())
    return f"10 s: {ended[2] - ended[1]} jobs ended meanwhile, {ended[1] - ended[0]} in the 10 s before"


@scene
def layer_lies(rig: Plain) -> str:
    for lie in ({"drop": 0.3}, {"double": 1.0}):
        rig.faults.write_text(json.dumps(lie))
        time.sleep(4)
    return "drops 30 %, doubles all"


@scene
def web_killed(rig: Plain) -> str:
    crowd = rig.add_pages(rig.to_web[0].port, 200)
    wait_until(lambda: all(page.live for page in crowd), 60, "all are in")
    rig.to_web[0].to.append(rig.to_web[1].to[0])
    rig.web[0].kill()
    killed = time.monotonic()
    wait_until(lambda: all(page.connected_at > killed for page in crowd), 60, "all are back")
    back = sorted(page.connected_at - killed for page in crowd)
    rig.web[0].wait_ready()
    rig.to_web[0].to.pop()
    rig.pages = rig.pages[:4]
    return f"200 pages that try again after 1 s: half back after {back[100]:.1f} s, all {back[-1]:.1f} s"


@scene
def web_frozen(rig: Plain) -> str:
    rig.web[1].freeze()
    for _ in range(300):
        rig.ask("traced", seconds=0)
    time.sleep(10)
    return "10 s under 300 more jobs"


@scene
def silent_readers(rig: Plain) -> str:
    """20 on each server, while 2,000 messages of 4 kB pass."""
    before = [web.memory() for web in rig.web]

    async def sit(port: int) -> object:
        link = await Page(port, rig.session).open()
        link.transport.pause_reading()
        return link

    links = [rig.clients.call(sit(link.port)) for link in rig.to_web for _ in range(20)]
    send = async_to_sync(rig.site.get_channel_layer().group_send)
    for _ in range(2000):
        send(rig.site.GROUP, {"type": "job.changed", "job": "pad", "state": "x" * 4096})
    time.sleep(2)
    more = [(web.memory() - was) / MIB for web, was in zip(rig.web, before, strict=True)]
    for link in links:
        rig.clients.loop.call_soon_threadsafe(link.transport.abort)
    for page in rig.pages:
        page.shown.pop("pad", None)
    return f"20 at each, 8 MB sent to each: daphne {more[0]:+.0f} MiB, uvicorn {more[1]:+.0f} MiB"


@scene
def half_open(rig: Plain) -> str:
    rig.to_web[1].set(HELD)
    time.sleep(15)
    return f"15 s: {sum(not page.live for page in rig.pages[2:])} of 2 pages noticed"


@scene
def logged_out(rig: Plain) -> str:
    other = rig.new_session()
    page = Page(rig.to_web[1].port, other.session_key)
    rig.clients.loop.call_soon_threadsafe(lambda: rig.clients.loop.create_task(page.run()))
    wait_until(lambda: page.live, 20, "it is in")
    other.delete()
    time.sleep(20)
    frames = page.frames
    time.sleep(10)
    return f"30 s ago: socket {'still open' if page.live else 'closed'}, {page.frames - frames} frames in the last 10 s"


@scene
def sqlite_locked(rig: Plain) -> str:
    with rig.truth.locked():
        time.sleep(5)
    return "5 s"


@scene
def connections_ended(rig: Plain) -> str:
    for _ in range(5):
        rig.truth.end_connections()
        time.sleep(0.5)
    return "five times"


@scene
def postgres_killed(rig: Plain) -> str:
    rig.postgres.kill(restart=False)
    time.sleep(3)
    rig.postgres.start().wait_ready()
    return "3 s"


@scene
def database_cut(rig: Plain) -> str:
    rig.work_database.set(CUT)
    time.sleep(6)
    return "off from the workers for 6 s"


@scene
def suicidal(rig: Plain) -> str:
    """Last: with late acknowledgement it never ends."""
    rig.site.suicidal.delay("suicide")
    time.sleep(10)
    runs, died = rig.ran("start")["suicide"], [worker.process.poll() is not None for worker in rig.workers]
    weather.tell_redis(rig, "FLUSHALL")
    for worker in rig.workers:
        worker.kill()
    return f"{runs} runs in 10 s; {sum(died)} workers ended"


def play(rig: Plain, name: str, patience: float) -> str:
    rig.reload()
    first, rig.refused, rig.slowest = len(rig.jobs), 0, 0.0
    with rig.load():
        said = SCENES[name](rig)
        ended = sum(worker.process.poll() is not None for worker in rig.workers)
    jobs, began = rig.jobs[first:], time.monotonic()

    def lost() -> list[str]:
        done = rig.ran("end")
        return [job for job in jobs if not done[job]]

    while lost() and time.monotonic() - began < patience:
        time.sleep(0.5)
    took = time.monotonic() - began
    time.sleep(2)  # the last frames
    starts, effects = rig.ran("start"), rig.truth.read("SELECT job, count(*) FROM effect GROUP BY job")
    doubled = sum(count > 1 for job, count in effects if job in set(jobs))
    missing = lost()
    return (
        f"{name} ({said}): {len(jobs)} accepted, {rig.refused} refused, {len(missing)} not ended {took:.0f} s later"
        f" ({sum(starts[job] > 0 for job in missing)} had begun), {sum(starts[job] > 1 for job in jobs)} ran twice,"
        f" {doubled} effects doubled, delay() {rig.slowest:.1f} s at most, {rig.wrong_pages()} of"
        f" {len(rig.pages)} pages wrong, {ended} workers ended by themselves"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--late", action="store_true", help="late acknowledgement, visibility timeout 10 s")
    parser.add_argument("--postgres", action="store_true", help="the faults of PostgreSQL, on one of its own")
    parser.add_argument("--only", nargs="+", choices=list(SCENES), default=[], metavar="FAULT")
    parser.add_argument("--patience", type=float, default=None, help="seconds until a job that has not ended is lost")
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    patience = said.patience or (120 if said.late else 20)
    names = said.only or [
        name for name in SCENES if (name in POSTGRES) == said.postgres and not (said.postgres and name == "suicidal")
    ]
    with tempfile.TemporaryDirectory(prefix="signalbox-plain-") as folder:
        rig = Plain(Path(folder) / "rig", "postgres" if said.postgres else "sqlite", said.seed, said.late)
        try:
            rig.start()
            for name in names:
                try:
                    print(play(rig, name, patience), flush=True)
                except AssertionError as error:
                    print(f"{name}: {error}", flush=True)
        finally:
            rig.stop()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

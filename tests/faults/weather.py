"""Faults that can strike at any moment, each by a name: it comes, lasts as long as the dice say, and is over.

The soak draws from ALL; what was killed is started again by the fault itself, all else is ended by ``rig.heal``.
"""

import json
import os
import random
import signal
import time
from collections.abc import Callable

from redis import Redis

from tests.faults.proxy import CUT, FAIR, HELD, Weather
from tests.faults.rig import Rig

Fault = Callable[[Rig, random.Random], str]
ALL: dict[str, Fault] = {}


def fault(strike: Fault) -> Fault:
    ALL[strike.__name__] = strike
    return strike


def tell_redis(rig: Rig, *words: str) -> None:
    with Redis.from_url(rig.redis_url, socket_timeout=5) as link:
        link.execute_command(*words)


@fault
def worker_killed(rig: Rig, dice: random.Random) -> str:
    """A whole worker, its parent alone, or one child, at random; what was killed is started again at once."""
    worker = dice.choice(rig.workers)
    children = worker.children()
    match dice.choice(("child", "child", "group", "parent")):
        case "child" if children:
            os.kill(dice.choice(children), signal.SIGKILL)
            return "child"
        case "parent":
            os.kill(worker.pid, signal.SIGKILL)
            worker.process.wait()
            worker.kill()  # the orphans get a moment, as they would with a supervisor
            return "parent"
        case _:
            worker.kill()
            return "group"


@fault
def worker_frozen(rig: Rig, dice: random.Random) -> str:
    worker, seconds = dice.choice(rig.workers), dice.uniform(0.5, 2) * rig.lease
    worker.freeze()
    time.sleep(seconds)
    worker.thaw()
    return f"{worker.name} for {seconds:.1f} s"


@fault
def worker_stopped(rig: Rig, dice: random.Random) -> str:
    worker = dice.choice(rig.workers)
    took = worker.wait_ready().stop()
    worker.start()
    return f"{worker.name}, gone after {took:.1f} s"


@fault
def web_killed(rig: Rig, dice: random.Random) -> str:
    web = dice.choice(rig.web)
    web.kill()
    return web.name


@fault
def web_frozen(rig: Rig, dice: random.Random) -> str:
    web, seconds = dice.choice(rig.web), dice.uniform(1, 8)
    web.freeze()
    time.sleep(seconds)
    web.thaw()
    return f"{web.name} for {seconds:.1f} s"


@fault
def redis_killed(rig: Rig, dice: random.Random) -> str:
    rig.redis.kill(restart=False)
    time.sleep(seconds := dice.uniform(0, 5))
    rig.redis.start().wait_ready()
    return f"for {seconds:.1f} s"


@fault
def redis_wiped(rig: Rig, dice: random.Random) -> str:
    tell_redis(rig, "FLUSHALL")
    return ""


@fault
def redis_hung(rig: Rig, dice: random.Random) -> str:
    rig.redis.freeze()
    time.sleep(seconds := dice.uniform(1, 6))
    rig.redis.thaw()
    return f"for {seconds:.1f} s"


@fault
def redis_full(rig: Rig, dice: random.Random) -> str:
    tell_redis(rig, "CONFIG", "SET", "maxmemory", "1")
    time.sleep(seconds := dice.uniform(1, 5))
    tell_redis(rig, "CONFIG", "SET", "maxmemory", "0")
    return f"for {seconds:.1f} s"


@fault
def network_bad(rig: Rig, dice: random.Random) -> str:
    """One link, of any sort, is cut, loses every packet, is slow or narrow."""
    name = dice.choice(("web_layer", "web_broker", "work_layer", "work_broker", "to_web", "database"))
    link = dice.choice(rig.to_web) if name == "to_web" else getattr(rig, name, None)
    link = link or dice.choice((rig.work_database, rig.web_database)) or rig.work_broker
    weather = dice.choice((CUT, HELD, Weather(delay=0.3), Weather(rate=20_000)))
    link.set(weather)
    time.sleep(seconds := dice.uniform(1, 8))
    link.set(FAIR)
    return f"{name}, {weather}, for {seconds:.1f} s"


@fault
def layer_lies(rig: Rig, dice: random.Random) -> str:
    lies = dice.choice(({"drop": 0.3}, {"double": 1.0}, {"delay": 3.0}, {"drop": 0.3, "double": 0.5, "delay": 2.0}))
    rig.faults.write_text(json.dumps(lies))
    time.sleep(seconds := dice.uniform(2, 8))
    rig.faults.unlink(missing_ok=True)
    return f"{lies} for {seconds:.1f} s"


@fault
def bells_doubled(rig: Rig, dice: random.Random) -> str:
    jobs = dice.sample(sorted(rig.accepted), min(30, len(rig.accepted)))
    rig.inside.ask("ring", jobs=jobs, times=3)
    return f"of {len(jobs)} jobs"


@fault
def people_interfere(rig: Rig, dice: random.Random) -> str:
    """They cancel what is new, and try again what has ended."""
    jobs = list(rig.accepted)[-20:]
    for job in dice.sample(jobs, min(6, len(jobs))):
        rig.meant.add(job)
        rig.inside.ask(dice.choice(("cancel", "retry")), job=job)
    return "with 6 jobs"


@fault
def database_disturbed(rig: Rig, dice: random.Random) -> str:
    """SQLite: its one write lock is held. PostgreSQL: restarted, killed, or every connection ended."""
    if rig.postgres is None:
        with rig.truth.locked():
            time.sleep(seconds := dice.uniform(1, 5))
        return f"locked for {seconds:.1f} s"
    match dice.choice(("ended", "stopped", "killed")):
        case "ended":
            rig.truth.end_connections()
            return "all connections ended"
        case "stopped":
            rig.postgres.stop(signal.SIGINT)
            rig.postgres.start().wait_ready()
            return "restarted"
        case _:
            rig.postgres.kill()
            rig.postgres.wait_ready()
            return "killed"

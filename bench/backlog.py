"""How many jobs that wait are held and worked off: what Redis holds, what a wiped Redis costs, and who has to wait.

    python -m bench.backlog [--jobs 1000000] [--rounds 5] [--only PART …] [--postgres]

held: what Redis holds more than an empty one when so many jobs wait that were asked for by bulk, and when a tenth of
them was asked for one by one by four processes; no worker lives. wiped: Redis is emptied under 20,000 queued jobs,
before a worker starts and while it works. turns: four queues with equal load and one worker: the mean wait of each.
slots: 100 jobs of a second for two workers of four: until the last has ended, and until all slots are busy. serial: a
claim while 10,000 jobs of one serial key wait at the head, one of them running, beside one without them.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import django
import redis
from django.db import connection

from bench.installed import ROOT, installed
from bench.throughput import until
from project import parts
from tests.support.servers import Servers

AT_ONCE = 500
QUEUES = ("one", "two", "three", "four")
ASK = """
import sys, django
django.setup()
from django.db import OperationalError
from tasks.engine import lifecycle
left = int(sys.argv[1])
while left:
    try:
        lifecycle.submit("noop", {})
        left -= 1
    except OperationalError:  # others of the four hold SQLite for longer than it waits: asked again
        pass
"""
PARTS = ("wiped", "turns", "slots", "serial", "held")
CLAIMS = 300  # of a round


class Bench:
    """The product's Django in this process, and workers beside it."""

    def __init__(self, servers: Servers, environment: dict[str, str], small: bool) -> None:
        self.servers, self.environment, self.small = servers, environment, small
        self.link = redis.from_url(servers.redis_url)
        self.workers: list[subprocess.Popen] = []
        self.since = now()

    def start(self, *names: str, slots: int = 2, queues: tuple[str, ...] = ()) -> None:
        words = ["-c", str(slots), "-l", "WARNING"]
        words += ["-Q", ",".join(f"signalbox.{queue}" for queue in queues)] if queues else []
        for name in names:
            command = parts.celery("worker", "-n", f"{name}@%h", *words)
            self.workers.append(self.servers.keep(command, cwd=ROOT, env=self.environment))

    def warm(self, *names: str, queue: str = "default") -> None:
        """Submit jobs until each of these workers has ended one."""
        until(lambda: self.has_run(names) or submit(1, queue=queue))
        self.wait()

    def wait(self) -> None:
        """Until all jobs of this round have ended."""
        until(lambda: not self.rows().filter(finished_at=None).exists(), 180)

    def rows(self) -> Any:
        """The jobs of this round."""
        from tasks.engine.models import Job

        return Job.objects.filter(created_at__gte=self.since)

    def has_run(self, workers: tuple[str, ...]) -> bool:
        """Whether each of these workers has ended a job."""
        ended = self.rows().filter(state="succeeded")
        return all(ended.filter(worker__startswith=f"{name}@").exists() for name in workers)

    def stop(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(20)
        self.workers.clear()

    def held(self, jobs: int) -> None:
        empty = self.memory()
        for _ in range(0, jobs, AT_ONCE):
            submit(AT_ONCE)
        print(f"held: {jobs:,} jobs by bulk: Redis + {self.memory() - empty:.3f} MiB", flush=True)
        self.link.flushall()
        empty, each = self.memory(), max(jobs // 40, 10)
        command = [sys.executable, "-c", ASK, str(each)]
        four = [subprocess.Popen(command, cwd=ROOT, env=self.environment) for _ in range(4)]
        if any(process.wait() for process in four):
            raise SystemExit("A process that asked for jobs has failed.")
        print(f"held: {4 * each:,} jobs one by one: Redis + {self.memory() - empty:.3f} MiB", flush=True)

    def memory(self) -> float:
        """MiB that Redis uses when nobody else is connected any more."""
        return self.link.info("memory")["used_memory"] / 1024**2

    def wiped(self, _: int) -> None:
        jobs = 2_000 if self.small else 20_000
        for _ in range(0, jobs, AT_ONCE):
            submit(AT_ONCE)
        self.link.flushall()
        self.start("wiped")
        until(lambda: self.has_run(("wiped",)))
        first = self.rows().exclude(started_at=None).order_by("started_at").values_list("started_at", flat=True)[0]
        after = (first - worker_since()).total_seconds()
        self.link.flushall()
        wiped = now()
        left = self.rows().filter(finished_at=None).count()
        self.wait()
        ends = self.rows().filter(finished_at__gte=wiped).order_by("finished_at").values_list("finished_at", flat=True)
        gap = max((later - earlier for earlier, later in pairwise([wiped, *ends])), default=timedelta())
        print(
            f"wiped: {jobs:,} queued: the first claim {after:.1f} s after a worker was there,"
            f" {left:,} left when it was wiped again: no job ended for {gap.total_seconds():.2f} s at most, all within"
            f" {(now() - wiped).total_seconds():.1f} s",
            flush=True,
        )
        self.stop()

    def turns(self, rounds: int) -> None:
        self.start("turns", queues=QUEUES)
        self.warm("turns", queue=QUEUES[0])
        spreads = []
        for n in range(rounds):
            self.since = now()
            for _ in range(2 if self.small else 20):
                for queue in QUEUES:
                    submit(50, queue=queue)
            self.wait()
            waits = {queue: statistics.mean(waits_of(self.rows().filter(queue=queue))) for queue in QUEUES}
            spreads.append(max(waits.values()) / min(waits.values()))
            said = ", ".join(f"{wait:.2f}" for wait in waits.values())
            print(f"turns: round {n + 1}: mean waits {said} s, longest : shortest {spreads[-1]:.2f}", flush=True)
        print(f"turns: longest : shortest, median {statistics.median(spreads):.2f}", flush=True)
        self.stop()

    def slots(self, rounds: int) -> None:
        self.start("slots1", "slots2", slots=4)
        self.warm("slots1", "slots2")
        totals, busy = [], []
        for n in range(rounds):
            self.since = now()
            many = 16 if self.small else 100
            submit(many, "countdown", {"seconds": 1, "steps": 1})
            self.wait()
            began = min(self.rows().values_list("created_at", flat=True))
            starts = sorted(waits_of(self.rows()))
            totals.append((max(self.rows().values_list("finished_at", flat=True)) - began).total_seconds())
            busy.append(starts[7])
            print(f"slots: round {n + 1}: {many} jobs in {totals[-1]:.2f} s, all busy in {busy[-1]:.3f} s", flush=True)
        print(
            f"slots: medians {statistics.median(totals):.2f} s, all busy in {statistics.median(busy):.3f} s", flush=True
        )
        self.stop()

    def serial(self, rounds: int) -> None:
        from tasks.base import job
        from tasks.engine import lifecycle
        from tasks.engine.models import Job

        @job(name="bench_serial", serial_key="one", effects="none")
        def bench_serial() -> None:
            """Is never run."""

        ratios = []
        for n in range(rounds):
            slowest_claim()
            without = slowest_claim()
            submit(500 if self.small else 10_000, "bench_serial", priority=9)
            head = Job.objects.filter(kind="bench_serial").order_by("id")[0]
            lifecycle.claim(head.uid, "bench@here", 1)
            slowest_claim()  # the database tidies up after so many new rows
            beside = slowest_claim()
            ratios.append(beside / without)
            print(
                f"serial: round {n + 1}: 95 of 100 claims within {1000 * without:.2f} ms, beside the jobs of one key"
                f" within {1000 * beside:.2f} ms ({ratios[-1]:.2f})",
                flush=True,
            )
            Job.objects.filter(kind="bench_serial").delete()
        print(f"serial: median ratio {statistics.median(ratios):.2f}", flush=True)


def slowest_claim() -> float:
    """Seconds within which 95 of 100 claims are made, one after the other."""
    from tasks.engine import calls, lifecycle

    submit(CLAIMS)
    took = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        claimed = lifecycle.claim_next(["default", "io"], calls.called(), "bench@here", 1)
        took.append(time.perf_counter() - began)
        lifecycle.succeed(claimed)
    return statistics.quantiles(took, n=20)[-1]


def submit(many: int, kind: str = "noop", params: dict[str, Any] | None = None, **common: Any) -> None:
    from tasks.engine import lifecycle

    lifecycle.submit_many(kind, [params or {}] * many, **common)


def worker_since() -> datetime:
    from tasks.engine.models import Worker

    return Worker.objects.get().started_at


def waits_of(jobs: Any) -> list[float]:
    return [(began - made).total_seconds() for began, made in jobs.values_list("started_at", "created_at")]


def now() -> datetime:
    from django.utils import timezone

    return timezone.now()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with installed(options.postgres, SIGNALBOX_APPS="") as (servers, environment):
        os.environ.update(environment)
        django.setup()
        bench = Bench(servers, environment, options.quick)
        for name in PARTS:
            if name in options.only:
                getattr(bench, name)(options.jobs if name == "held" else options.rounds)
        connection.close()


if __name__ == "__main__":
    main()

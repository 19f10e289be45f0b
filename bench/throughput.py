"""No-op jobs a second through create → claim → run → each state persisted → pushed, beside bare Celery.

    python -m bench.throughput [--jobs 4000] [--rounds 3] [--postgres] [--no-push]

Both run one prefork worker with two children on the same Valkey; the producer feeds it meanwhile. Prints rates and
the ratio of each round, then the median. ``--no-push`` runs the product with pushes swallowed: the cost of pushing.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from celery import Celery

from project import parts
from tests.support.servers import Servers

ROOT = Path(__file__).resolve().parent.parent
bare = Celery("bare", broker=os.environ.get("BENCH_BROKER", "memory://"))
bare.conf.update(task_ignore_result=True, worker_send_task_events=False)


@bare.task(name="bare.noop")
def noop() -> None:
    """What the product's ``noop`` does, without a row."""


@bare.task(name="bare.mark")
def mark(path: str) -> None:
    Path(path).touch()


def rate_of_bare(servers: Servers, jobs: int) -> float:
    """Jobs a second: from the first ``delay()`` until a marker that was queued last has run."""
    bare.conf.broker_url = servers.redis_url.rsplit("/", 1)[0] + "/5"
    environment = os.environ | {"BENCH_BROKER": bare.conf.broker_url}
    options = ["-c", "2", "-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = servers.keep(
        [sys.executable, "-m", "celery", "-A", "bench.throughput:bare", "worker", *options], cwd=ROOT, env=environment
    )
    try:
        warm, last = servers.folder / "warm", servers.folder / f"last{time.monotonic_ns()}"
        mark.delay(str(warm))
        until(warm.exists)
        started = time.monotonic()
        for _ in range(jobs):
            noop.delay()
        mark.delay(str(last))
        until(last.exists)
        return jobs / (time.monotonic() - started)
    finally:
        worker.terminate()
        worker.wait(20)


def rate_of_product(servers: Servers, jobs: int, push: bool) -> float:
    """Jobs a second: from the first submit until the last row has ended."""
    environment = (
        os.environ | servers.environment() | {"SIGNALBOX_HOME": str(servers.folder / f"h{time.monotonic_ns()}")}
    )
    if servers.database_url:
        environment["DATABASE_URL"] = servers.new_database()
    if not push:
        environment["SIGNALBOX_CHANNEL_LAYER"] = "bench.throughput.NoLayer"
    environment |= {"SIGNALBOX_LOG_LEVEL": "WARNING", "DJANGO_SETTINGS_MODULE": "project.settings"}
    environment["SIGNALBOX_APPS"] = ""  # the kinds that come with the product, and not those of the tests
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    options = ["-n", "bench@%h", "-c", "2", "-l", "WARNING"]
    worker = servers.keep(parts.celery("worker", *options), cwd=ROOT, env=environment)
    try:
        producer = [sys.executable, "-m", "bench.throughput", "--produce", str(jobs)]
        said = subprocess.run(producer, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return float(said.stdout.split()[-1])
    finally:
        worker.terminate()
        worker.wait(20)


class NoLayer:
    """A channel layer that swallows everything, for the cost of pushing."""

    def __init__(self, **_: object) -> None:
        pass

    async def group_send(self, group: str, message: dict) -> None:
        pass


def produce(jobs: int) -> None:
    """Runs inside the product's Django: feeds the worker, prints jobs a second."""
    import django

    django.setup()
    from tasks.engine import lifecycle
    from tasks.engine.models import Job

    warm, _ = lifecycle.submit("noop", {})
    until(lambda: Job.objects.get(pk=warm.pk).finished_at)
    started = time.monotonic()
    for _ in range(0, jobs, 250):
        lifecycle.submit_many("noop", [{}] * 250)
    until(lambda: not Job.objects.filter(finished_at=None).exists(), 300)
    print(jobs / (time.monotonic() - started))


def until(true, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("It took too long.")
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--no-push", action="store_true")
    parser.add_argument("--produce", type=int)
    options = parser.parse_args()
    if options.produce:
        return produce(options.produce)
    servers = Servers()
    try:
        servers.start_valkey()
        if options.postgres:
            servers.start_postgres()
        ratios = []
        for n in range(options.rounds):
            plain = rate_of_bare(servers, options.jobs)
            ours = rate_of_product(servers, options.jobs, push=not options.no_push)
            ratios.append(ours / plain)
            print(
                f"round {n + 1}: bare Celery {plain:.0f}/s, Signalbox {ours:.0f}/s, ratio {ratios[-1]:.2f}", flush=True
            )
        print(f"median ratio {statistics.median(ratios):.2f} ({'PostgreSQL' if options.postgres else 'SQLite'})")
    finally:
        servers.stop()


if __name__ == "__main__":
    main()

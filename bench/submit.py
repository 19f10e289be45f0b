"""Jobs accepted a second, rows and messages, beside bare Celery's `delay()`.

    python -m bench.submit [--jobs 5000] [--rounds 5] [--watched 0] [--postgres]

Nobody works: only asking is measured, by one process on the same Valkey. Each round takes turns, and its ratios are
printed; the median counts. ``many`` is ``submit_many`` of 500 jobs at a time, ``one`` is ``submit`` of each job.
``--watched``: the same again with so many tasks of a watched application in the table, and what a job then costs.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from bench.installed import ROOT, installed
from bench.throughput import noop

AT_ONCE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--watched", type=int, default=0)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.jobs, options.rounds, options.watched)
        return
    with installed(options.postgres) as (servers, environment):
        environment["BENCH_BROKER"] = servers.redis_url.rsplit("/", 1)[0] + "/5"
        words = ["--inside", "--jobs", str(options.jobs), "--rounds", str(options.rounds)]
        words += ["--watched", str(options.watched)]
        subprocess.run([sys.executable, "-m", "bench.submit", *words], cwd=ROOT, env=environment, check=True)


def measure(jobs: int, rounds: int, watched: int) -> None:
    """Runs inside the product's Django."""
    import django

    django.setup()
    from tasks.engine import lifecycle

    def plain() -> None:
        for _ in range(jobs):
            noop.delay()

    def many() -> None:
        for _ in range(0, jobs, AT_ONCE):
            lifecycle.submit_many("noop", [{}] * AT_ONCE)

    def one() -> None:
        for _ in range(jobs // 5):
            lifecycle.submit("noop", {})

    def ask() -> dict[str, float]:
        found: dict[str, list[float]] = {"many": [], "one": []}
        for n in range(rounds):
            usual = rate(plain, jobs)
            rates = {"many": rate(many, jobs), "one": rate(one, jobs // 5)}
            for name, each in rates.items():
                found[name].append(each / usual)
            said = ", ".join(f"{name} {each:.0f}/s ({found[name][-1]:.2f} ×)" for name, each in rates.items())
            print(f"round {n + 1}: delay() {usual:.0f}/s, {said}", flush=True)
        medians = {name: statistics.median(each) for name, each in found.items()}
        print(", ".join(f"{name}: median {each:.2f} × delay()" for name, each in medians.items()), flush=True)
        return medians

    noop.delay()
    alone = ask()
    if watched:
        fill(watched)
        print(f"with {watched:,} watched rows", flush=True)
        beside = ask()
        print(", ".join(f"{name}: a job costs {alone[name] / beside[name]:.2f} × as much" for name in alone))


def fill(rows: int) -> None:
    """Tasks of a watched application over the last day: of a thousand, ten failed, two run and eight wait."""
    from datetime import timedelta
    from uuid import uuid4

    from django.utils import timezone

    from tasks.engine.models import Job

    now, states = timezone.now(), ["failed"] * 10 + ["running"] * 2 + ["queued"] * 8 + ["succeeded"] * 980
    for start in range(0, rows, AT_ONCE):
        made = []
        for n in range(start, min(start + AT_ONCE, rows)):
            state, uid = states[n * 7 % 1000], uuid4()
            at = now - timedelta(seconds=86_400 * (rows - n) / rows)
            ended = at if state in Job.FINAL else None
            began = {"started_at": at, "worker": "shop:w1@there", "attempt": 1} if state != "queued" else {}
            made.append(
                Job(uid=uid, app="shop", task_id=str(uid), basis="event", state=state, kind="shop.pay",
                    queue="shop:celery", created_at=at, finished_at=ended, params={"args": f"({n},)"}, **began)
            )  # fmt: skip
        Job.every.bulk_create(made)


def rate(ask: Callable[[], None], jobs: int) -> float:
    began = time.monotonic()
    ask()
    return jobs / (time.monotonic() - began)


if __name__ == "__main__":
    main()

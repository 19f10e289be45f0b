"""Jobs accepted a second, rows and messages, beside bare Celery's `delay()`.

    python -m bench.submit [--jobs 5000] [--rounds 5] [--postgres]

Nobody works: only asking is measured, by one process on the same Valkey. Each round takes turns, and its ratios are
printed; the median counts. ``many`` is ``submit_many`` of 500 jobs at a time, ``one`` is ``submit`` of each job.
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
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.jobs, options.rounds)
        return
    with installed(options.postgres) as (servers, environment):
        environment["BENCH_BROKER"] = servers.redis_url.rsplit("/", 1)[0] + "/5"
        words = ["--inside", "--jobs", str(options.jobs), "--rounds", str(options.rounds)]
        subprocess.run([sys.executable, "-m", "bench.submit", *words], cwd=ROOT, env=environment, check=True)


def measure(jobs: int, rounds: int) -> None:
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

    found: dict[str, list[float]] = {"many": [], "one": []}
    noop.delay()
    for n in range(rounds):
        usual = rate(plain, jobs)
        rates = {"many": rate(many, jobs), "one": rate(one, jobs // 5)}
        for name, each in rates.items():
            found[name].append(each / usual)
        said = ", ".join(f"{name} {each:.0f}/s ({found[name][-1]:.2f} ×)" for name, each in rates.items())
        print(f"round {n + 1}: delay() {usual:.0f}/s, {said}", flush=True)
    print(", ".join(f"{name}: median {statistics.median(each):.2f} × delay()" for name, each in found.items()))


def rate(ask: Callable[[], None], jobs: int) -> float:
    began = time.monotonic()
    ask()
    return jobs / (time.monotonic() - began)


if __name__ == "__main__":
    main()

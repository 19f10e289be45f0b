"""What `submit` waits while `prune` deletes a month of history, beside what it waits without.

    python -m bench.prune [--jobs 200000] [--rounds 3] [--postgres]

Each round submits a few hundred jobs, one every 20 ms, first in peace and then while a real `prune` works in a process
of its own. Printed: the median and the 95th of 100 waits of both, in milliseconds, and the ratio of the latter.
"""

import argparse
import signal
import statistics
import subprocess
import sys
import time

from bench.installed import ROOT, installed

SUBMITS = 300
REST_S = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.rounds)
        return
    short = {f"SIGNALBOX_KEEP_{state}_D": "1" for state in ("SUCCEEDED", "FAILED", "CANCELLED")}
    with installed(options.postgres, **short) as (_, environment):
        for words in (
            ["bench.million", "--fill", str(options.jobs)],
            ["bench.prune", "--inside", "--rounds", str(options.rounds)],
        ):
            subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env=environment, check=True)


def measure(rounds: int) -> None:
    """Runs inside the product's Django."""
    import django

    django.setup()
    from tasks.engine import lifecycle
    from tasks.engine.models import Job

    def waits() -> list[float]:
        found = []
        for _ in range(SUBMITS):
            began = time.monotonic()
            lifecycle.submit("noop", {})
            found.append((time.monotonic() - began) * 1000)
            time.sleep(REST_S)
        return sorted(found)

    lifecycle.submit("noop", {})
    ratios = []
    for n in range(rounds):
        peace, before = waits(), Job.objects.count()
        prune = subprocess.Popen(
            [sys.executable, "manage.py", "run", "prune"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while Job.objects.count() >= before:
            time.sleep(0.05)
        began, first = time.monotonic(), Job.objects.count()
        busy = waits()
        deleted = (first + SUBMITS - Job.objects.count()) / (time.monotonic() - began)
        if prune.poll() is not None:
            raise SystemExit("prune was over too soon: make more jobs")
        prune.send_signal(signal.SIGINT)
        prune.wait(60)
        ratios.append(at(busy, 95) / at(peace, 95))
        figures = f"median {at(peace, 50):.1f} → {at(busy, 50):.1f} ms, p95 {at(peace, 95):.1f} → {at(busy, 95):.1f} ms"
        print(f"round {n + 1}: {figures}, ratio {ratios[-1]:.2f}; {deleted:.0f} jobs/s deleted", flush=True)
    print(f"median ratio of p95 {statistics.median(ratios):.2f}")


def at(waits: list[float], percent: int) -> float:
    return waits[min(len(waits) - 1, len(waits) * percent // 100)]


if __name__ == "__main__":
    main()

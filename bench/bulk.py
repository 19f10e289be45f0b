"""A bulk action on many rows: how many a second, how the worker's memory goes, and how soon a cancel is seen.

    python -m bench.bulk [--rows 100000] [--postgres]

Cancels that many scheduled jobs by one job of kind ``bulk_action`` in a real worker and takes them back by another,
reading the memory of the process that does it all the while; then begins the same again and cancels it in the middle.
"""

import argparse
import subprocess
import sys
import time

import psutil

from bench.installed import ROOT, installed
from project import parts

MIB = 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.rows)
        return
    with installed(options.postgres) as (servers, environment):
        words = ["-n", "bulk@%h", "-c", "1", "-l", "WARNING"]
        worker = servers.keep(parts.celery("worker", *words), cwd=ROOT, env=environment)
        try:
            command = [sys.executable, "-m", "bench.bulk", "--inside", "--rows", str(options.rows)]
            subprocess.run(command, cwd=ROOT, env=environment, check=True)
        finally:
            worker.terminate()
            worker.wait(20)


def inside(rows: int) -> None:
    """Runs in the product's Django, beside the worker."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    from tasks.engine import lifecycle
    from tasks.engine.models import Job

    owner = get_user_model().objects.create_user("bulk")
    owner.groups.add(Group.objects.get(name="operator"))
    warm, _ = lifecycle.submit("noop", {}, owner=owner)
    until(lambda: Job.objects.get(pk=warm.pk).finished_at)

    def begun(action: str, **found: str) -> Job:
        job, _ = lifecycle.submit("bulk_action", {"action": action, "filter": found}, owner=owner)
        until(lambda: Job.objects.get(pk=job.pk).progress_done > 0)
        return Job.objects.get(pk=job.pk)

    def watched(job: Job) -> None:
        memory, started = [], time.monotonic()
        child = psutil.Process(job.pid)
        while Job.objects.get(pk=job.pk).state == "running":
            memory.append(child.memory_info().rss / MIB)
            time.sleep(0.5)
        took, job = time.monotonic() - started, Job.objects.get(pk=job.pk)
        print(f"{job.params['action']}: {job.state}, {job.result}, {rows / took:.0f} rows/s in {took:.0f} s; memory of")
        print(f"its process: {memory[0]:.1f} MiB at first, {max(memory):.1f} at most, {memory[-1]:.1f} at the end")

    make(rows)
    watched(job := begun("cancel", state="scheduled"))
    watched(begun("take_back", bulk=str(job.uid)))
    Job.objects.filter(state="scheduled")._raw_delete("default")
    waits = []
    for _ in range(5):
        make(min(rows, 5_000))
        job = begun("cancel", state="scheduled")
        asked = time.monotonic()
        lifecycle.cancel(job.uid)
        until(lambda job=job: Job.objects.get(pk=job.pk).state == "cancelled")
        waits.append(time.monotonic() - asked)
        Job.objects.filter(state="scheduled")._raw_delete("default")
    print(f"a cancel in the middle: {', '.join(f'{wait:.2f}' for wait in waits)} s")


def make(rows: int) -> None:
    """Scheduled jobs of a far future, in the manner of a backlog."""
    from datetime import UTC, datetime

    from django.utils import timezone

    from tasks.engine.models import Job
    from tasks.engine.uid import uuid7

    due, now = datetime(2999, 1, 1, tzinfo=UTC), timezone.now()
    columns = {"kind": "noop", "queue": "default", "state": "scheduled", "due_at": due, "created_at": now}
    Job.objects.bulk_create((Job(uid=uuid7(), **columns) for _ in range(rows)), batch_size=1000)


def until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("It took too long.")
        time.sleep(0.02)


if __name__ == "__main__":
    main()

"""Images a second through match_images, with one process and with two: the same archive, planned, split, counted.

    python -m bench.images [--images 400] [--width 1600] [--rounds 1] [--postgres]

Each run starts a real worker on a database of its own. Prints images a second from the submit until the collection is
finished, the CPU seconds that each process took for it, and the ratio of two processes to one: as measured, which a
machine that is busy with other things spoils, and by the longest CPU time, which it does not.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from bench.throughput import ROOT, until
from project import parts
from tests.support.pictures import encoded, picture, zipped
from tests.support.servers import Servers


def archive(images: int, width: int) -> bytes:
    """Photographs in size and weight: scenes with noise, every second one a copy of one of 20 references."""
    files = {f"references/{n:03}.jpg": encoded(picture(n, (width, width * 3 // 4)), quality=88) for n in range(20)}
    rnd = random.Random(1)
    for n in range(images):
        seed = n // 2 % 20 if n % 2 == 0 else 1000 + n
        size = width + rnd.randrange(-100, 100)
        files[f"photos/{n:05}.jpg"] = encoded(picture(seed, (size, size * 3 // 4)), quality=rnd.randrange(75, 92))
    return zipped(files)


class Run(NamedTuple):
    rate: float  # images a second
    cpu: list[float]  # seconds of each process

    def __str__(self) -> str:
        return f"{self.rate:.1f}/s (CPU {' + '.join(f'{seconds:.1f}' for seconds in self.cpu)} s)"


def spent(worker: int) -> list[float]:
    """CPU seconds of the children so far."""
    return [sum(child.cpu_times()[:2]) for child in psutil.Process(worker).children()]


def rate(servers: Servers, file: Path, processes: int, images: int) -> Run:
    home = servers.folder / f"home{time.monotonic_ns()}"
    environment = os.environ | servers.environment() | {"SIGNALBOX_HOME": str(home), "SIGNALBOX_LOG_LEVEL": "WARNING"}
    environment |= {"DJANGO_SETTINGS_MODULE": "project.settings"}
    if servers.database_url:
        environment["DATABASE_URL"] = servers.new_database()
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    options = ["-n", "bench@%h", "-c", str(processes), "-l", "WARNING"]
    worker = servers.keep(parts.celery("worker", *options), cwd=ROOT, env=environment)
    try:
        command = [sys.executable, "-m", "bench.images", "--submit", str(file), "--images", str(images)]
        said = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        said.stdout.readline()  # the worker is warm
        before = spent(worker.pid)
        found = float(said.communicate()[0])
        return Run(found, [after - then for then, after in zip(before, spent(worker.pid), strict=True)])
    finally:
        worker.terminate()
        worker.wait(20)


def submit(file: Path, images: int) -> None:
    """Runs inside the product's Django: prints images a second."""
    import django

    django.setup()
    from tasks.engine import lifecycle
    from tasks.engine.models import Job
    from tasks.kinds.images import storing
    from tasks.kinds.images.models import Collection

    warm, _ = lifecycle.submit("noop", {})
    until(lambda: Job.objects.get(pk=warm.pk).finished_at)
    print("warm", flush=True)
    collection = Collection(name="bench")
    storing.keep_archive(collection, [file.read_bytes()])
    collection.save()
    started = time.monotonic()
    lifecycle.submit("match_images", {"collection": str(collection.uid)})
    until(lambda: Collection.objects.get(pk=collection.pk).finished_at, 900)
    took = time.monotonic() - started
    counts = collection.counts()
    assert counts["done"] == counts["total"] and counts["matched"] >= images * 0.45, counts
    print(counts["done"] / took)  # two files that are alike by chance are one image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--width", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--submit", type=Path)
    options = parser.parse_args()
    if options.submit:
        return submit(options.submit, options.images)
    servers = Servers()
    try:
        servers.start_valkey()
        if options.postgres:
            servers.start_postgres()
        file = servers.folder / "bench.zip"
        file.write_bytes(archive(options.images, options.width))
        print(f"{options.images} images, {file.stat().st_size / 1e6:.0f} MB", flush=True)
        ratios, by_cpu = [], []
        for n in range(options.rounds):
            one, two = (rate(servers, file, processes, options.images) for processes in (1, 2))
            ratios.append(two.rate / one.rate)
            by_cpu.append(max(one.cpu) / max(two.cpu))
            times = f"{ratios[-1]:.2f} times, by CPU {by_cpu[-1]:.2f}"
            print(f"round {n + 1}: 1 process {one}, 2 processes {two}, {times}", flush=True)
        median = f"{statistics.median(ratios):.2f} times, by CPU {statistics.median(by_cpu):.2f}"
        print(f"median {median} ({'PostgreSQL' if options.postgres else 'SQLite'})")
    finally:
        servers.stop()


if __name__ == "__main__":
    main()

"""What a job and an idle system cost and how soon a job starts, beside the code in which a message stood for one job.

    python -m bench.before [--jobs 4000] [--rounds 5] [--idle 60] [--postgres]

The old code is taken from the history of this repository. Both have servers of their own and one worker of two; the
rounds take turns. CPU is that of worker, broker and database together, from the first of the jobs until the last has
ended. Idle are two web processes and two workers of two, for ``--idle`` seconds; 0 leaves that out.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from bench.installed import ROOT, installed
from bench.throughput import until
from project import parts, valkey
from tests.support.servers import Servers

OLD = "87a0d6e^"
ASKS = 100  # jobs of a round, one after the other
SETTLED_S = 15  # after their start, processes do what they do once
# Runs inside the Django of either code: "load" feeds the worker, "ask" says how soon jobs start one by one.
INSIDE = """
import statistics, sys, time
import django
django.setup()
from tasks.engine import lifecycle
from tasks.engine.models import Job
what, many = sys.argv[1], int(sys.argv[2])
if what == "load":
    for _ in range(0, many, 250):
        lifecycle.submit_many("noop", [{}] * 250)
    while Job.objects.filter(finished_at=None).exists():
        time.sleep(0.25)
else:
    waits = []
    for _ in range(many):
        job, _ = lifecycle.submit("noop", {})
        time.sleep(0.03)
        while not Job.objects.get(pk=job.pk).finished_at:
            time.sleep(0.03)
        job.refresh_from_db()
        waits.append((job.started_at - job.created_at).total_seconds())
    print(1000 * statistics.median(waits))
"""
# Counts the statements that Django sends in each process, in a file of eight bytes: on the path as sitecustomize.
COUNTER = """
import mmap, os, struct
from django.db.backends.utils import CursorWrapper
counted = [0, None]
def count():
    if counted[0] != os.getpid():
        with open(os.path.join(os.environ["BENCH_COUNTS"], str(os.getpid())), "w+b") as file:
            file.write(bytes(8))
            file.flush()
            counted[:] = os.getpid(), mmap.mmap(file.fileno(), 8)
    struct.pack_into("q", counted[1], 0, struct.unpack_from("q", counted[1])[0] + 1)
def counting(method):
    def execute(*args, **options):
        count()
        return method(*args, **options)
    return execute
CursorWrapper._execute = counting(CursorWrapper._execute)
CursorWrapper._executemany = counting(CursorWrapper._executemany)
"""


class Installation:
    """One version of the product, on servers of its own."""

    def __init__(self, stack: ExitStack, postgres: bool, code: Path, **more: str) -> None:
        self.code = code
        self.servers, self.environment = stack.enter_context(installed(postgres, code, SIGNALBOX_APPS="", **more))

    def worker(self, name: str) -> None:
        command = parts.celery("worker", "-n", f"{name}@%h", "-c", "2", "-l", "WARNING")
        self.servers.keep(command, cwd=self.code, env=self.environment)

    def web(self) -> parts.Part:
        part = parts.web("uvicorn", "127.0.0.1", valkey.free_port(), "127.0.0.1")
        self.servers.keep(part.command, cwd=self.code, env=self.environment)
        return part

    def inside(self, what: str, many: int) -> str:
        command = [sys.executable, "-c", INSIDE, what, str(many)]
        here = {"cwd": self.code, "env": self.environment}
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **here).stdout

    def cpu_of_a_job(self, jobs: int) -> float:
        """Milliseconds."""
        before = cpu(self.servers)
        self.inside("load", jobs)
        return 1000 * (cpu(self.servers) - before) / jobs

    def wait_of_a_job(self) -> float:
        """Milliseconds from its row to its claim."""
        return float(self.inside("ask", ASKS))


def cpu(servers: Servers) -> float:
    """Seconds of processor time that the servers have used, with all processes that they started and have ended."""
    total = 0.0
    for kept in servers.processes:
        root = psutil.Process(kept.pid)
        for each in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += sum(each.cpu_times()[:4])
    return total


def take_old(folder: Path) -> Path | None:
    """The old code, unpacked; None where there is no history that goes back to it."""
    with suppress(OSError):
        packed = subprocess.run(["git", "archive", OLD], cwd=ROOT, capture_output=True, check=False)
        if packed.returncode == 0:
            subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
            return folder
    return None


def busy(postgres: bool, old: Path, jobs: int, rounds: int) -> None:
    with ExitStack() as stack:
        both = [Installation(stack, postgres, code) for code in (old, ROOT)]
        for each in both:
            each.worker("bench")
            each.inside("load", 250)
        cpus, waits = [], []
        for n in range(rounds):
            spent = [each.cpu_of_a_job(jobs) for each in both]
            waited = [each.wait_of_a_job() for each in both]
            cpus.append(spent[1] / spent[0])
            waits.append(waited[1] / waited[0])
            print(
                f"round {n + 1}: CPU of a job {spent[0]:.2f} → {spent[1]:.2f} ms ({cpus[-1]:.2f}), submit → claimed"
                f" {waited[0]:.1f} → {waited[1]:.1f} ms ({waits[-1]:.2f})",
                flush=True,
            )
        print(
            f"medians: CPU of a job {statistics.median(cpus):.2f} × the old code, submit → claimed"
            f" {statistics.median(waits):.2f} × the old code",
            flush=True,
        )


def idle(postgres: bool, code: Path, seconds: float) -> tuple[float, float]:
    """Statements and seconds of CPU, a minute."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "counts").mkdir()
        (folder / "sitecustomize.py").write_text(COUNTER)
        found = Installation(stack, postgres, code, BENCH_COUNTS=str(folder / "counts"))
        found.environment["PYTHONPATH"] = f"{folder}:{code}"
        found.worker("one")
        found.worker("two")
        web = [found.web() for _ in range(2)]
        until(lambda: all(parts.answers(part, "127.0.0.1", part.ready.keywords["port"], "127.0.0.1") for part in web))
        found.inside("load", 250)
        time.sleep(SETTLED_S)
        said, used = counted(folder / "counts"), cpu(found.servers)
        time.sleep(seconds)
        minutes = seconds / 60
        return (counted(folder / "counts") - said) / minutes, (cpu(found.servers) - used) / minutes


def counted(folder: Path) -> int:
    return sum(int.from_bytes(file.read_bytes(), "little") for file in folder.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=60)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old = take_old(Path(folder))
        if old is None:
            print(f"The old code is not there: git, or its commit {OLD} in the history of this clone.")
            return
        if options.rounds:
            busy(options.postgres, old, options.jobs, options.rounds)
        if options.idle:
            (said, used), (says, uses) = (idle(options.postgres, code, options.idle) for code in (old, ROOT))
            print(
                f"idle: {said:.0f} → {says:.0f} statements a minute ({says / said:.2f}), CPU {used:.2f} → {uses:.2f} s"
                f" a minute ({uses / used:.2f})"
            )


if __name__ == "__main__":
    main()

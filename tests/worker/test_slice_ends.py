"""Whatever ends a slice: the next job starts within half a second, without a message that calls for it or a sweep."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tests.support.processes import Worker, is_alive, wait_until
from tests.support.servers import Servers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
SOON_S = 0.5
NO_SWEEP = {"SIGNALBOX_SWEEP_S": "600"}


def running(job: Job) -> Job:
    return wait_until(lambda: Job.objects.filter(pk=job.pk, state="running").first(), 20, "its start")


def without_message() -> Job:
    """A queued job whose message is lost. It keeps its process, so that this can be asked what it had to wait for."""
    now = lifecycle.now()
    columns = {"queue": "default", "state": "queued", "priority": 9, "created_at": now, "rung_at": now}
    return Job.objects.create(kind="holds", params={"seconds": 600}, **columns)


class Load:
    """What the processes of a test had to wait for a CPU, which is no part of what they need."""

    def __init__(self, servers: Servers, *workers: Worker) -> None:
        self._roots = [*(process.pid for process in servers.processes), *(worker.pid for worker in workers)]
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self.look()
        self._first = dict(self._last)

    def look(self) -> None:
        """Again and again, as a process may end. Where the system does not tell, nothing is found."""
        for root in map(psutil.Process, self._roots):
            for pid in (root.pid, *(child.pid for child in root.children(recursive=True))):
                with suppress(OSError):  # it has just ended
                    waits = [file.read_text().split()[1] for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
                    self._last[pid] = max(self._last.get(pid, 0.0), sum(map(int, waits)) / 1e9)

    def seconds(self) -> float:
        self.look()
        return sum(self._last.values()) - sum(self._first.values())


@pytest.fixture
def assert_starts_soon(servers: Servers) -> Callable[..., None]:
    def check(job: Job, ended: Callable[[], float], *workers: Worker) -> None:
        """``ended`` ends a slice, if need be, and says when it ended."""
        load = Load(servers, *workers)
        end = ended()

        def started() -> Job | None:
            load.look()
            return Job.objects.filter(pk=job.pk, state="running").first()

        waited = wait_until(started, 20, "the next job's start").started_at.timestamp() - end
        busy = load.seconds()
        assert waited < SOON_S + busy, f"{waited:.3f} s, and {busy:.3f} s without a CPU\n{workers[0].log()[-3000:]}"

    return check


def finished(job: Job) -> float:
    done = wait_until(lambda: Job.objects.filter(pk=job.pk, finished_at__isnull=False).first(), 20, "the job's end")
    return done.finished_at.timestamp()


def killed(held: Job, number: int = signal.SIGKILL) -> float:
    os.kill(held.pid, number)
    return time.time()


def killed_without_pipes(held: Job) -> float:
    """Not in the moment in which it closes what it has open."""
    wait_until(lambda: Job.objects.filter(pk=held.pk, progress_note="closed").exists(), 20, "its word")
    return killed(held)


def crashed(held: Job) -> float:
    wait_until(lambda: not is_alive(held.pid), 20, "the crash")
    return time.time()


def cancelled(held: Job) -> float:
    lifecycle.cancel(held.uid)
    return finished(held)


ENDS = {
    "kill": ("holds", {}, (), killed),
    "kill of a process without pipes": ("holds_without_pipes", {}, (), killed_without_pipes),
    "segmentation fault": ("holds", {}, (), partial(killed, number=signal.SIGSEGV)),
    "crash": ("crashes", {"how": "exit", "seconds": 1}, (), crashed),
    "cancel with grace": ("deaf", {}, (), cancelled),
    "recycling": ("holds", {"seconds": 1}, ("--max-tasks-per-child", "1"), finished),
    "memory": ("holds", {"seconds": 1}, ("--max-memory-per-child", "1"), finished),
    "soft time limit": ("softly_limited", {}, (), finished),
    "hard time limit": ("hard_limited", {}, (), finished),
    "a job that holds the interpreter": ("holds_the_interpreter", {}, (), finished),
    "failure": ("breaks", {"seconds": 1}, (), finished),
    "end": ("holds", {"seconds": 1}, (), finished),
}


@pytest.mark.parametrize("way", ENDS)
def test_the_next_job_starts_soon_however_the_one_before_it_ended(start_worker, assert_starts_soon, way: str) -> None:
    kind, params, options, ended = ENDS[way]
    worker = start_worker("w1", concurrency=1, options=options, **NO_SWEEP)
    held = running(lifecycle.submit(kind, params)[0])
    assert_starts_soon(without_message(), lambda: ended(held), worker)


def stop_the_worker_of(start_worker, seconds: float) -> tuple[Job, Worker]:
    """A job that runs so long at a worker that stops, and the other worker."""
    workers = [start_worker(name, concurrency=1, **NO_SWEEP) for name in ("w1", "w2")]
    held = running(lifecycle.submit("holds", {"seconds": seconds})[0])
    other, own = sorted(workers, key=lambda worker: held.worker.startswith(f"{worker.name}@"))
    os.kill(own.pid, signal.SIGTERM)
    return held, other


def test_a_job_that_ends_while_its_worker_stops_calls_another_worker(start_worker, assert_starts_soon) -> None:
    held, other = stop_the_worker_of(start_worker, 3)
    assert_starts_soon(without_message(), lambda: finished(held), other)


def test_a_job_that_a_stopping_worker_gives_back_starts_soon_at_another(start_worker, assert_starts_soon) -> None:
    held, other = stop_the_worker_of(start_worker, 600)

    def given_back() -> float:
        attempt = wait_until(held.attempts.first, 20, "the job given back")
        assert attempt.outcome == "released"
        return attempt.finished_at.timestamp()

    assert_starts_soon(held, given_back, other)


def test_a_long_job_keeps_no_other_process_from_the_jobs_that_wait(servers, start_worker) -> None:
    """One message, many jobs: each process that has begun a long one calls the next process."""
    worker = start_worker("w1", concurrency=4, **NO_SWEEP)
    jobs = [*(without_message() for _ in range(3)), lifecycle.submit("holds", {})[0]]
    load = Load(servers, worker)
    began = [running(job).started_at.timestamp() for job in jobs]
    assert max(began) - min(began) < SOON_S + load.seconds(), began

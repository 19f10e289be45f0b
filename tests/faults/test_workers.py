"""Workers that are killed, frozen, stopped and given false messages: every accepted job still ends once."""

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.faults.checker import Checker
from tests.faults.rig import Rig
from tests.faults.weather import worker_killed
from tests.support.processes import is_alive, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.process]
KILLS = 8


def test_workers_killed_at_random_moments(rig: Rig, checker: Checker, settle: Callable, measured: Callable) -> None:
    killed = []
    for _ in range(KILLS):
        rig.submit_some(12, seconds=0.3)
        time.sleep(rig.random.uniform(0, 0.8))
        killed.append(worker_killed(rig, rig.random))
    took = settle(60)
    judged = checker.check()
    measured(f"{len(killed)} kills ({', '.join(sorted(killed))}), {judged}, all over {took:.1f} s after the last")


def test_work_starts_again_soon_after_a_kill(rig: Rig, settle: Callable, measured: Callable) -> None:
    job = rig.submit("traced", seconds=2).value
    row = wait_until(lambda: (r := rig.truth.jobs()[job]).state == "running" and r, 20, "it runs")
    killed = next(worker for worker in rig.workers if row.worker.startswith(worker.name))
    killed.kill(restart=False)
    began = time.monotonic()
    wait_until(lambda: rig.truth.jobs()[job].attempt == 2, 30, "it runs again elsewhere")
    took = time.monotonic() - began
    killed.start()
    settle(40)
    measured(f"the job of a killed worker ran again on another {took:.1f} s later (lease {rig.lease:g} s)")


def test_a_worker_frozen_past_its_lease_writes_nothing_when_it_thaws(rig: Rig, settle: Callable) -> None:
    frozen, other = rig.workers
    other.stop()
    jobs = [rig.submit("traced", seconds=1.5).value for _ in range(2)]
    wait_until(lambda: all(rig.truth.jobs()[job].state == "running" for job in jobs), 20)
    frozen.freeze()
    other.start().wait_ready()
    wait_until(lambda: all(rig.truth.jobs()[job].state == "succeeded" for job in jobs), 40, "others did its work")
    before = {job: rig.truth.jobs()[job] for job in jobs}
    frozen.thaw()

    def fenced() -> bool:
        ids = {row.id for row in before.values()}
        return all(a.outcome == "fenced" for a in rig.truth.attempts() if a.job in ids and a.number == 1)

    wait_until(fenced, 20, "its attempts are shown as fenced")
    assert {job: rig.truth.jobs()[job] for job in jobs} == before
    settle()


def test_a_stopped_worker_gives_back_what_it_cannot_finish(rig: Rig, settle: Callable, measured: Callable) -> None:
    leaving, other = rig.workers
    jobs = [rig.submit("traced", seconds=8).value for _ in range(4)]
    wait_until(lambda: all(rig.truth.jobs()[job].state == "running" for job in jobs), 20)
    took = leaving.stop()
    leaving.start()
    settle(60)
    rows = rig.truth.jobs()
    released = [a for a in rig.truth.attempts() if a.job in {rows[job].id for job in jobs}]
    assert [a.outcome for a in released] == ["released", "released"]
    assert all(rows[job].failures == 0 for job in jobs)
    measured(f"SIGTERM under two 8 s jobs: the worker was gone after {took:.1f} s")


def test_a_job_that_kills_its_process_stops_at_its_limit(rig: Rig, settle: Callable) -> None:
    job = rig.submit("suicidal").value
    settle(40)
    row = rig.truth.jobs()[job]
    assert (row.state, row.attempt) == ("failed", 3)
    assert rig.submit("traced").error is None
    settle()


def test_orphans_of_a_killed_parent_end(rig: Rig, settle: Callable, measured: Callable) -> None:
    worker = rig.workers[0]
    job = rig.submit("traced", seconds=1).value
    children = worker.children()
    os.kill(worker.pid, signal.SIGKILL)
    worker.process.wait()
    began = time.monotonic()
    try:
        wait_until(lambda: not any(is_alive(pid) for pid in children), 20, "its children ended")
    finally:
        worker.kill()
    measured(f"children of a killed parent were gone after {time.monotonic() - began:.1f} s")
    settle()
    assert rig.truth.jobs()[job].state == "succeeded"


def test_messages_that_come_twice_run_nothing_twice(rig: Rig, settle: Callable) -> None:
    jobs = rig.submit_some(20)
    rig.inside.get("ring", jobs=jobs, times=3)
    settle(30)
    assert all(psutil.pid_exists(worker.pid) for worker in rig.workers)

"""After every kind of mess four ordinary jobs run in the same process as if nothing had been."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from tasks.engine import lifecycle
from tasks.engine.models import Job, Worker
from tests.misbehaviour import connections, errors, processes, values
from tests.support.processes import Worker as Process
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
POOLS = ("prefork", "threads", "solo")
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.misbehaviour.settings", "SIGNALBOX_LEASE_S": "20"}


@pytest.fixture(params=POOLS)
def worker(request: pytest.FixtureRequest, start_worker: Callable[..., Process]) -> Iterator[Process]:
    started = start_worker("w1", concurrency=1, pool=request.param, **SETTINGS)
    started.pool = request.param
    yield started


def run(kind: str, times: int = 1, within: float = 40, **params: Any) -> list[Job]:
    """Jobs, one after the other, as they ended."""
    jobs = [lifecycle.submit(kind, params)[0].pk for _ in range(times)]
    wait_until(
        lambda: Job.objects.filter(pk__in=jobs, state__in=Job.FINAL).count() == times, within, f"the end of {params}"
    )
    return list(Job.objects.filter(pk__in=jobs).order_by("pk"))


def after(worker: Process, ways: list[str], ends: set[str] = frozenset()) -> dict[str, Job]:
    """Misbehave in each way, and expect four ordinary jobs to be as they were before. How each of the ways ended."""
    (usual,) = run("ordinary")
    assert usual.state == "succeeded", usual.traceback
    found, wrong, pid = {}, {}, usual.pid
    for way in ways:
        try:
            (found[way],) = run("misbehaves", how=way)
            rest = run("ordinary", times=4)
        except AssertionError as error:
            raise AssertionError(f"after {way}: {error}; wrong so far: {wrong}; {worker.log()[-6_000:]}") from None
        odd = {job.error or f"{name}: {was}" for job in rest for name, was in differences(job.result, usual.result)}
        if any((job.pid != pid) != (way in ends and worker.pool == "prefork") for job in rest):
            odd.add("the process is another, or should be")
        if found[way].attempt != 1:
            odd.add("it was tried twice")
        if odd:
            wrong[way] = odd
        pid = rest[-1].pid
    assert not wrong, f"{wrong}; usual: {usual.result}\n{worker.log()[-6_000:]}"
    # A child is waited for when the second job after its end has ended, and it may have ended just now.
    wait_until(lambda: not run("ordinary")[0].result["zombies"], 10, f"no zombies\n{worker.log()[-6_000:]}")
    return found


def differences(one: dict[str, str] | None, other: dict[str, str]) -> list[tuple[str, str]]:
    """But for children: they are waited for when the next job has ended."""
    if one is None:
        return [("result", "none")]
    return [(name, value) for name, value in one.items() if name != "zombies" and value != other[name]]


def test_connections_that_jobs_left(worker: Process) -> None:
    ends = {"a_thread_that_holds_a_transaction", "a_thread_that_ended_in_a_transaction"}
    found = after(worker, list(connections.WAYS), ends)
    broken = {way: job.error for way, job in found.items() if job.state != "succeeded"}
    assert broken.keys() >= {"a_generator_in_a_transaction", "blocks_within_each_other", "a_block_with_an_error_in_it"}
    assert not Job.objects.filter(progress_note="a mess").exists(), "what was not committed was rolled back"
    said = [line.text for line in found["no_autocommit"].log.all()]
    assert said == ["The job left this behind, and it was put back: an open transaction of the database 'default'."]


@pytest.mark.pure
def test_processes_that_jobs_left(worker: Process) -> None:
    cut_off = {"closed_files", "closed_standard_files"}
    ways = [
        way for way in processes.WAYS if worker.pool == "prefork" or way not in cut_off | {"few_files", "little_nice"}
    ]
    found = after(worker, ways, processes.ENDS)
    assert not {way: job.error for way, job in found.items() if job.state != "succeeded"}


@pytest.mark.pure
@pytest.mark.parametrize("way", ["closed_files", "closed_standard_files"])
@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_worker_without_children_ends_when_its_files_were_closed(start_worker, pool: str, way: str) -> None:
    worker = start_worker("w1", concurrency=1, pool=pool, **SETTINGS)
    (done,) = run("misbehaves", how=way)
    assert (done.state, done.attempt) == ("succeeded", 1)
    wait_until(lambda: worker.process.poll() is not None, 20, "the end of the worker")


def test_errors_that_cannot_be_shown(worker: Process) -> None:
    found = after(worker, list(errors.WAYS))
    wrong = {
        way: (job.state, job.error[:200])
        for way, job in found.items()
        if job.state != "failed" or not job.error.startswith(errors.WAYS[way][0]) or f"in {way}" not in job.traceback
    }
    assert not wrong


def test_values_that_cannot_be_written(worker: Process) -> None:
    found = after(worker, list(values.WAYS))
    assert not {way: job.error for way, job in found.items() if job.state != "succeeded"}
    assert "bytes of zürich" in worker.log() or worker.pool != "prefork"
    assert worker.process.poll() is None and Worker.objects.get().stopped_at is None


def test_a_transaction_of_a_job_that_still_runs_is_nobodys_to_end(start_worker) -> None:
    """Jobs beside it end meanwhile, and its thread has its connection from a job that ended long ago."""
    start_worker("w1", concurrency=2, pool="threads", **SETTINGS)
    run("works_in_a_thread", seconds=0)
    long, _ = lifecycle.submit("works_in_a_thread", {"seconds": 4})
    wait_until(lambda: Job.objects.get(pk=long.pk).state == "running", 20, "its beginning")
    beside = run("add", times=5, x=1) if connection.vendor == "postgresql" else []
    assert all(job.state == "succeeded" for job in beside)
    done = wait_until(lambda: Job.objects.filter(pk=long.pk, state__in=Job.FINAL).first(), 20, "its end")
    assert (done.state, done.error) == ("succeeded", "")

"""Kinds of the rig. Each run says so in a file that is only ever appended to, before and after its effect."""

import json
import os
import signal
import time

from tasks.base import job
from tasks.engine.effects import once
from tasks.engine.report import current_report
from tests.faults.models import Trace

RUNS = "FAULTS_RUNS"  # the environment's name for the path of that file


def say(what: str) -> None:
    """One line, in one write: the file is shared by every process of the rig, and survives them all."""
    report = current_report()
    line = {"job": report.job_id, "attempt": report.attempt, "what": what, "pid": os.getpid(), "at": time.time()}
    handle = os.open(os.environ[RUNS], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
    finally:
        os.close(handle)


def effect() -> None:
    report = current_report()
    with once("trace") as first:
        if first:
            Trace.objects.create(job=report.job_id, attempt=report.attempt)


@job(queue="default", max_retries=8, effects="once")
def traced(report, n: int = 0, seconds: float = 0.1, pad: str = "") -> int:
    """Work for a moment, with an effect in the middle. ``pad`` only takes room."""
    say("start")
    report.progress(0, 2, "working")
    time.sleep(seconds / 2)
    effect()
    report.progress(1, 2)
    time.sleep(seconds / 2)
    report.log(f"job {n} is done")
    say("end")
    return n


@job(
    queue="default",
    max_retries=8,
    default_retry_delay=1,
    autoretry_for=(ValueError,),
    retry_jitter=False,
    effects="once",
)
def stumbles(report, n: int = 0, times: int = 1) -> int:
    """Fail after the effect, as often as asked, then succeed."""
    say("start")
    effect()
    if report.attempt <= times:
        raise ValueError(f"stumbled over {n}")
    say("end")
    return n


@job(queue="default", max_retries=0, effects="once")
def shatters(report, n: int = 0) -> None:
    """Fail for good."""
    say("start")
    effect()
    raise RuntimeError(f"broken for good: {n}")


@job(queue="default", max_retries=2, effects="none")
def suicidal(report, n: int = 0) -> None:
    """Kill the process that runs it, each time."""
    say("start")
    os.kill(os.getpid(), signal.SIGKILL)


@job(queue="default", effects="none")
def paced(report, steps: int = 20, pause: float = 0.02) -> int:
    """A fixed length of work that reports at every step: how long it takes tells what slows it."""
    say("start")
    for step in range(steps):
        report.progress(step + 1, steps)
        time.sleep(pause)
    say("end")
    return steps

"""Between two statements: moves that cross, processes that end, limits that strike while an end is written."""

import threading
import time

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DataError, IntegrityError, OperationalError

from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job, State
from tasks.engine.report import Report
from tasks.worker import pulse, recording, sweep

pytestmark = pytest.mark.django_db(transaction=True)


def held() -> Job:
    return lifecycle.claim(lifecycle.submit("noop", {})[0].uid, "w1@here", 4711)


def test_a_cancel_that_crosses_a_rescue_is_kept():
    lost = held()  # as the reaper read it
    lifecycle.cancel(lost.uid)
    assert lifecycle.rescue(lost, lost.beat).state == State.CANCELLED
    assert Job.objects.get().attempts.get().outcome == "lost"


def test_a_reaper_that_could_not_look_takes_no_job_away(settings, monkeypatch):
    """After an outage of the database no beat has moved, and nobody is dead: a lease begins again."""
    settings.SIGNALBOX_LEASE_S, settings.SIGNALBOX_HEARTBEAT_S, settings.SIGNALBOX_SWEEP_S = 10, 2, 5
    job, clock, reap = held(), [1000.0], sweep.Reaper()
    Job.objects.update(pid=None)
    monkeypatch.setattr(sweep.time, "monotonic", lambda: clock[0])
    reap()
    clock[0] += 60
    reap()
    assert Job.objects.get().attempt == 1 and Job.objects.get().state == State.RUNNING
    for _ in range(11):
        clock[0] += 1
        reap()
    assert Job.objects.get().state == State.QUEUED, job


def test_an_end_that_the_database_refuses_for_good_is_a_failure(settings):
    job, reported = held(), []

    def ending():
        reported.append(1)
        raise DataError("value overflows numeric format")

    recording.record(job, ending)
    after = Job.objects.get()
    assert (after.state, len(reported)) == (State.FAILED, 3)
    assert "value overflows numeric format" in after.error


def test_an_end_is_tried_until_the_database_is_back():
    job, answers = held(), [OperationalError("gone"), IntegrityError("a race"), OperationalError("gone"), None]

    def ending():
        if (answer := answers.pop(0)) is not None:
            raise answer
        lifecycle.succeed(job)

    recording.record(job, ending)
    assert Job.objects.get().state == State.SUCCEEDED


def test_a_time_limit_that_strikes_while_the_end_is_written_changes_nothing():
    job, strikes = held(), [SoftTimeLimitExceeded()]

    def ending():
        if strikes:
            raise strikes.pop()
        lifecycle.succeed(job)

    recording.record(job, ending)
    assert Job.objects.get().state == State.SUCCEEDED


@pytest.mark.long
def test_an_idle_process_of_a_stopping_worker_takes_no_job_with_it(monkeypatch):
    """It decides to end in the very moment in which a message comes: the first one has it."""
    claimed, ended, go = [], threading.Event(), threading.Event()
    beating = pulse.Pulse([], kills=True)
    monkeypatch.setattr(pulse, "stopping", lambda: True)
    monkeypatch.setattr(pulse, "IDLE_STOP_S", -1)

    def last_words(**_):
        go.set()
        time.sleep(0.3)

    def end(code):
        ended.set()
        assert not claimed
        raise SystemExit

    monkeypatch.setattr(pulse.signals.worker_process_shutdown, "send", last_words)
    monkeypatch.setattr(pulse.os, "_exit", end)
    beating.start()
    assert go.wait(5)

    def message():
        with beating.at_work():
            claimed.append(1)

    threading.Thread(target=message, daemon=True).start()
    assert ended.wait(5)


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("not today")

    __repr__ = __str__


def deep(levels: int) -> list:
    return [] if levels == 0 else [deep(levels - 1)]


@pytest.mark.parametrize(
    "result",
    [10**5_000, deep(600), Silent(), {"a": Silent()}, [float("nan"), 10**5_000]],
    ids=["long", "deep", "silent", "silent within", "neither"],
)
def test_a_result_that_nobody_can_show_ends_the_job_all_the_same(result):
    assert lifecycle.succeed(held(), result).state == State.SUCCEEDED
    assert Job.objects.get().result


def test_an_error_that_nobody_can_show_ends_the_job_all_the_same():
    assert lifecycle.fail(held(), Failure.of(Silent())).error == "Silent: (Silent, which cannot be shown)"


def test_a_note_that_nobody_can_show_is_named_and_fails_no_job():
    report = Report()
    report.progress(1, note=Silent())
    report.log(Silent())
    said = report.take()
    assert (said.note, said.lines[0].text) == ("(Silent, which cannot be shown)",) * 2


def test_a_flood_of_due_jobs_keeps_no_beat_waiting(monkeypatch):
    monkeypatch.setattr(lifecycle, "wake", lambda: (time.sleep(0.05), 500)[1])
    began = time.monotonic()
    sweep.wake()
    assert time.monotonic() - began < 5  # it would never have come back

"""Two real beats at once: frozen, thawed, killed over a slot. Each slot makes one job."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from project import parts
from tasks.engine.models import Job
from tasks.schedules import actions
from tasks.schedules.models import Beat, Run, Schedule
from tests.conftest import database_url_of_the_test
from tests.support.processes import ROOT, wait_until
from tests.support.servers import FAST, Servers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture
def start_beat(servers: Servers, tmp_path: Path, transactional_db: None) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts real beats on the test database; they have called in when it returns."""
    started: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        environment = os.environ | FAST | {"DATABASE_URL": database_url_of_the_test(servers)}
        log = tmp_path / f"beat{len(started)}.log"
        with open(log, "ab") as out:
            process = subprocess.Popen(
                parts.celery("beat", "-l", "INFO", "--pidfile="), env=environment, cwd=ROOT, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        started.append(process)
        servers.watchdog.watch(process.pid)
        wait_until(lambda: Beat.objects.filter(name__endswith=f":{process.pid}").exists(), 60, f"the beat: {log}")
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        servers.watchdog.forget(process.pid)


def every_second() -> Schedule:
    start = datetime.now(UTC).replace(microsecond=0)
    return actions.create("often", "noop", {}, actions.every(1, start), overlap="queue")


def slots() -> list[datetime]:
    names = Job.objects.exclude(slot=None).order_by("id").values_list("slot", flat=True)
    return [datetime.fromisoformat(name) for name in names]


def jobs(count: int) -> Callable[[], bool]:
    return lambda: len(slots()) >= count


def test_two_beats_one_frozen_one_killed_over_a_slot(start_beat):
    first, second = start_beat(), start_beat()
    schedule = every_second()
    wait_until(jobs(3), what="three slots of two beats")
    os.kill(first.pid, signal.SIGSTOP)
    seen = len(slots())
    wait_until(jobs(seen + 3), what="three slots beside a frozen beat")
    os.kill(first.pid, signal.SIGCONT)
    wait_until(jobs(seen + 5), what="two slots after the thaw")
    second.kill()
    second.wait()
    seen = len(slots())
    wait_until(jobs(seen + 2), what="two slots of the beat that is left")
    os.kill(first.pid, signal.SIGKILL)  # over at least one slot there is none
    first.wait()
    last = slots()[-1]
    wait_until(lambda: datetime.now(UTC) > last + timedelta(seconds=2), what="two slots without a beat")
    start_beat()
    wait_until(lambda: slots()[-1] > last, what="a slot of the third beat")
    found = slots()
    assert found == sorted(set(found)), "a slot ran twice"
    runs = Run.objects.filter(schedule=schedule)
    missed = sum(runs.filter(outcome="missed").values_list("count", flat=True))
    assert len(found) + missed == (found[-1] - found[0]).total_seconds() + 1
    print(f"{len(found)} slots ran, each once; {missed} passed without a beat")


def test_a_change_is_heeded_within_two_seconds_and_a_pause_too(start_beat):
    start_beat()
    schedule = every_second()
    wait_until(jobs(1), 5, "a schedule made while the beat runs")
    actions.pause(schedule, True)
    count = len(slots())
    later = datetime.now(UTC) + timedelta(seconds=2.5)
    wait_until(lambda: datetime.now(UTC) > later)
    assert len(slots()) <= count + 1


def test_a_stopped_beat_ends_soon(start_beat):
    beat = start_beat()
    every_second()
    wait_until(jobs(1))
    psutil.Process(beat.pid).terminate()
    assert beat.wait(10) == 0

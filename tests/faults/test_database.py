"""The database locked, restarted, cut off, its connections ended: no false yes, nothing lost, workers resume."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.proxy import CUT, HELD
from tests.faults.rig import Rig
from tests.support.processes import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.process]
NO_S = 5.0  # a submit that cannot be accepted says so within


@pytest.fixture
def sqlite(database: str) -> None:
    if database != "sqlite":
        pytest.skip("a fault of SQLite")


@pytest.fixture
def postgres(database: str) -> None:
    if database != "postgres":
        pytest.skip("a fault of PostgreSQL (script/test runs it there)")


@pytest.fixture
def busy(rig: Rig) -> Iterator[list[str]]:
    """Jobs that run, wait and end while the fault lasts; afterwards a job runs: the workers resumed by themselves."""
    jobs = rig.submit_some(16, seconds=0.4)
    running = rig.submit("traced", seconds=3).value
    wait_until(lambda: rig.truth.jobs()[running].state == "running", 30)
    yield jobs
    job = rig.submit("traced").value
    wait_until(lambda: rig.truth.jobs()[job].state == "succeeded", 30, "workers run jobs again")


def no_while_it_lasts(rig: Rig, seconds: float, **params: str) -> tuple[int, float]:
    """Asks both web processes for jobs while the database is away. An answer is a yes that is kept (the checker sees
    to that) or 503 with Retry-After. How often it was no, and the longest time to one."""
    said_no, longest, end = 0, 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        answer = rig.post("traced", **params)
        took = time.monotonic() - began
        assert answer.status_code in (200, 201, 503), answer.text
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["type"] == "/problems/unavailable"
            said_no, longest = said_no + 1, max(longest, took)
        time.sleep(0.05)
    return said_no, longest


def test_locked(rig: Rig, sqlite: None, busy: list[str], settle: Callable, measured: Callable) -> None:
    """Somebody holds SQLite's one write lock for 5 s (a backup, a person with a shell)."""
    with rig.truth.locked():
        said_no, longest = no_while_it_lasts(rig, 5)
    healed = settle(40)
    measured(f"SQLite locked for 5 s: {said_no} noes, the slowest after {longest:.1f} s; all well {healed:.1f} s after")
    assert longest < NO_S


def test_connections_ended(rig: Rig, postgres: None, busy: list[str], settle: Callable, measured: Callable) -> None:
    """pg_terminate_backend of everybody, five times under load."""
    for _ in range(5):
        rig.truth.end_connections()
        rig.submit_some(3)
    measured(f"all PostgreSQL connections ended, five times: all well {settle(40):.1f} s after")


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_restarted(how: str, rig: Rig, postgres: None, busy: list[str], settle: Callable, measured: Callable) -> None:
    if how == "killed":
        rig.postgres.kill(restart=False)
    else:
        rig.postgres.stop(signal.SIGINT)
    said_no, longest = no_while_it_lasts(rig, 3)
    rig.postgres.start().wait_ready()
    healed = settle(40)
    measured(f"PostgreSQL {how} for 3 s: {said_no} noes, the slowest {longest:.1f} s; all well {healed:.1f} s after")
    assert said_no
    assert longest < NO_S


@pytest.mark.parametrize("how", ["cut", "held"])
def test_cut_off(how: str, rig: Rig, postgres: None, busy: list[str], settle: Callable, measured: Callable) -> None:
    """The workers' network to PostgreSQL is cut, or loses every packet, for longer than a lease."""
    rig.work_database.set(CUT if how == "cut" else HELD)
    rig.submit_some(4)
    time.sleep(rig.lease + 2)
    measured(f"workers {how} off from PostgreSQL for {rig.lease + 2:g} s: all well {settle(60):.1f} s after")

"""One rig for all scenarios of a run, one checker, and how a scenario ends: healed, settled, judged."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.checker import Checker
from tests.faults.rig import Rig
from tests.support.processes import wait_until
from tests.support.servers import Servers

figures: list[str] = []  # what the scenarios measured, for the end of the run


@pytest.fixture(scope="session")
def database(servers: Servers) -> str:
    return "postgres" if servers.database_url else "sqlite"


@pytest.fixture(scope="session")
def rig(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Everything running, and four pages open, two on each web process."""
    rig = Rig(tmp_path_factory.mktemp("rig"), database, seed=20261123)
    try:
        rig.start()
        for link in rig.to_web:
            rig.clients.add(link.port, rig.sessions, 2)
        yield rig
    finally:
        rig.stop()


@pytest.fixture(scope="session")
def checker(rig: Rig) -> Checker:
    return Checker(rig)


@pytest.fixture
def settle(rig: Rig, checker: Checker) -> Callable[..., float]:
    """``settle(20)``: heals all, waits until every job ended and every page is right, judges; returns the seconds."""

    def settled(seconds: float = 30) -> float:
        rig.heal()
        began = time.monotonic()
        try:
            wait_until(checker.settled, seconds, "every job ended and every page right")
        except AssertionError as error:
            states = [row for row in rig.truth.jobs().values() if row.finished_at is None]
            raise AssertionError(f"{error}: {checker.disagreement()}; alive: {states[:5]}") from None
        took = time.monotonic() - began
        checker.check()
        return took

    return settled


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keeps one sentence with figures for the end of the run."""
    return lambda text: figures.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if figures:
        terminalreporter.section("faults, measured")
        for line in figures:
            terminalreporter.line(line)

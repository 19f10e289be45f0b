"""What supervisors, load balancers and Prometheus ask: by address, and whether a job could be accepted now."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from django.db import connection, transaction

from project import health
from tasks.access.models import Token
from tasks.engine.models import Job
from tests.conftest import database_url_of_the_test
from tests.support.calls import call
from tests.support.live_parts import Served
from tests.support.people import person
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["uvicorn", "daphne"])
def served(request, servers, transactional_db, tmp_path) -> Iterator[Served]:
    web = Served(servers, request.param, database_url_of_the_test(servers), tmp_path / "web.log")
    try:
        yield web.wait_ready()
    finally:
        web.stop()


@pytest.mark.process
def test_a_kubelet_and_a_prometheus_ask_by_address(served: Served) -> None:
    token = Token.objects.make(person("ada"), "read")[1]
    for host in ("10.244.0.7:8001", "[fd00::7]:8001", "node-7", "jobs.example.org"):
        before, headers = served.log(), {"Host": host}
        assert requests.get(f"{served.origin}/healthz", headers=headers, timeout=20).text == "ok\n"
        assert requests.get(f"{served.origin}/readyz", headers=headers, timeout=20).text == "ready\n"
        known = headers | {"Authorization": f"Token {token}"}
        assert "signalbox_jobs" in requests.get(f"{served.origin}/metrics", headers=known, timeout=20).text
        assert requests.get(f"{served.origin}/readyz", headers=known, timeout=20).json()["ready"]
        assert served.log() == before  # no line, and no traceback, for what is asked every few seconds
        assert requests.get(f"{served.origin}/metrics", headers=headers, timeout=20).status_code == 401
        assert requests.get(f"{served.origin}/login/", headers=headers, timeout=20).status_code == 400


# --- could a job be accepted now? ------------------------------------------------------------------------------------


@pytest.fixture
def ask_anew(monkeypatch):
    monkeypatch.setattr(health, "FRESH_S", -1.0)


def seconds_to_a_503() -> float:
    began = time.monotonic()
    answer = call().get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"unavailable\n")
    return time.monotonic() - began


@contextmanager
def written_elsewhere() -> Iterator[None]:
    """Somebody holds what a new job needs: SQLite's one write lock, or the table as a migration does."""
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()
        other.close()
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE tasks_job IN SHARE MODE")  # everybody may read
            yield


def test_a_database_that_can_be_read_but_not_written_is_not_ready(ask_anew) -> None:
    assert call().get("/readyz").status_code == 200
    with written_elsewhere():
        assert seconds_to_a_503() < 1.5
    # the question before ends once it sees that nobody holds the database any more
    wait_until(lambda: call().get("/readyz").status_code == 200, 5, "readiness")
    assert not Job.objects.exists()


def test_a_short_lock_is_waited_for(ask_anew) -> None:
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with written_elsewhere():
            held.set()
            go.wait(0.3)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(5)
    assert call().get("/readyz").status_code == 200
    thread.join()


@pytest.mark.long
def test_a_part_that_hangs_costs_a_second_and_is_not_asked_twice(ask_anew, monkeypatch) -> None:
    asked, go = [], threading.Event()

    def hang() -> bool:
        asked.append(1)
        return go.wait(10)

    monkeypatch.setattr(health, "database", hang)
    assert 0.9 < seconds_to_a_503() < 1.5
    assert seconds_to_a_503() < 1.5
    assert len(asked) == 1
    go.set()
    health._asking["database"].join(5)
    assert call().get("/readyz").status_code == 200


def test_a_database_that_only_reads_is_not_ready(ask_anew, settings) -> None:
    """A standby, or a disk that was mounted read-only."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's owner may write whatever the mode of the file says")
    name, user = connection.settings_dict["NAME"], connection.settings_dict["USER"]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER ROLE "{user}" IN DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        assert seconds_to_a_503() < 1.5
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER ROLE "{user}" IN DATABASE "{name}" RESET default_transaction_read_only')

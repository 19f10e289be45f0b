"""A web process keeps few connections to the database, gives them back, and outlives their end."""

import concurrent.futures
import threading
import time

import psutil
import pytest
import requests
from django.db import connection

from tasks.access.models import Token
from tests.conftest import database_url_of_the_test
from tests.support.live_parts import Served
from tests.support.people import person
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
POOL = 5
REQUESTS, CLIENTS = 300, 24


@pytest.fixture(params=["uvicorn", "daphne"])
def served(request, servers, transactional_db, tmp_path):
    name = "signalbox-web"
    url = database_url_of_the_test(servers)
    more = {"SIGNALBOX_CONNECTIONS": str(POOL)}
    if connection.vendor == "postgresql":
        url += f"?application_name={name}"
    web = Served(servers, request.param, url, tmp_path / "web.log", **more)
    try:
        yield web.wait_ready()
    finally:
        web.stop()


def opened(served: Served) -> set[object]:
    """What identifies each connection that the web process has to its database now."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'signalbox-web'")
            return {pid for (pid,) in cursor.fetchall()}
    database = str(connection.settings_dict["NAME"])
    return {file.fd for file in psutil.Process(served.process.pid).open_files() if file.path == database}


def test_connections_under_load_are_few_and_kept(served: Served) -> None:
    headers = {"Authorization": f"Token {Token.objects.make(person('alice'), 'read')[1]}"}
    asked, done, seen, most = threading.local(), threading.Event(), set(), 0

    def ask(_: int) -> int:
        if not hasattr(asked, "session"):
            asked.session = requests.Session()
        return asked.session.get(f"{served.origin}/api/v1/jobs/?limit=1", headers=headers, timeout=30).status_code

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        answers = [clients.submit(ask, n) for n in range(REQUESTS)]
        while not all(answer.done() for answer in answers):
            now = opened(served)
            seen |= now
            most = max(most, len(now))
            done.wait(0.02)
    assert {answer.result() for answer in answers} == {200}
    if connection.vendor == "postgresql":
        assert most <= POOL
        assert len(seen) <= POOL  # the same ones all the time: none was opened for one request
    else:
        assert most <= CLIENTS + 1  # one for each request that is under way
        wait_until(lambda: len(opened(served)) <= 1, 5, "the connections are closed after their requests")


def test_a_server_that_ended_every_session_is_asked_again_at_once(served: Served) -> None:
    """As after a restart or a failover of PostgreSQL."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no sessions that somebody else could end")
    headers = {"Authorization": f"Token {Token.objects.make(person('alice'), 'read')[1]}"}
    ask = lambda: requests.get(f"{served.origin}/api/v1/jobs/", headers=headers, timeout=30).status_code  # noqa: E731
    assert ask() == 200
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'signalbox-web'"
            )
        began = time.monotonic()
        assert ask() == 200
        assert time.monotonic() - began < 3

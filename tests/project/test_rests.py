"""A web process that nobody asks rests, and ends at once when it is told to."""

import signal
import time
from email.utils import parsedate_to_datetime

import psutil
import pytest
import requests

from tests.conftest import database_url_of_the_test
from tests.support.live_parts import Served

pytestmark = [pytest.mark.process, pytest.mark.pure, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def served(servers, django_db_setup, tmp_path):
    server = Served(servers, "uvicorn", database_url_of_the_test(servers), tmp_path / "log")
    yield server.wait_ready()
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_process_wakes_rarely_and_ends_at_a_signal(served, number):
    process = psutil.Process(served.process.pid)
    requests.get(served.origin + "/healthz", timeout=30)

    def wakes() -> int:
        return process.num_ctx_switches().voluntary

    before, began = wakes(), time.monotonic()
    time.sleep(3)  # what is counted is what happens in a time
    assert (wakes() - before) / (time.monotonic() - began) < 6, "unpatched, it wakes ten times a second"
    date = requests.get(served.origin + "/healthz", timeout=30).headers["Date"]
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 10
    began = time.monotonic()
    process.send_signal(number)
    served.process.wait(10)
    assert time.monotonic() - began < 0.9, "it looks once a second, and does not wait for that"

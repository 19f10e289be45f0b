"""`manage.py up` as a user runs it: one ready line that is true, parts that come back, an end that leaves nothing."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
import requests

from project import valkey
from tests.support.processes import READY, ROOT, Product, is_alive, wait_until
from tests.support.servers import Servers

pytestmark = pytest.mark.process
PARTS = ("web", "worker", "beat", "valkey")
COMPLETE = """
import time
from tasks.engine import lifecycle
from tasks.engine.models import Job
job, _ = lifecycle.submit("noop", {})
end = time.monotonic() + 30
while job.state not in Job.FINAL and time.monotonic() < end:
    time.sleep(0.05)
    job.refresh_from_db()
print(job.state)
"""
START_LONG = """
import time
from tasks.engine import lifecycle
job, _ = lifecycle.submit("countdown", {"seconds": 60, "steps": 60})
end = time.monotonic() + 30
while job.state != "running" and time.monotonic() < end:
    time.sleep(0.05)
    job.refresh_from_db()
"""
STATES = "from tasks.engine.models import Job; print(*Job.objects.values_list('state', flat=True))"
LONG_STATE = STATES.replace("objects.", "objects.filter(kind='countdown').")  # a chore may have come beside it


@pytest.fixture(scope="module")
def mine(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that may be hurt; every test leaves it whole again."""
    running = Product(servers, tmp_path_factory.mktemp("up"), migrated=False)
    yield running.start()
    running.stop()


def test_the_ready_line_is_true(mine: Product) -> None:
    assert READY.findall(mine.log()) == [mine.base_url]
    assert requests.get(mine.base_url + "healthz", timeout=5).status_code == 200
    assert mine.python(COMPLETE) == "succeeded"


@pytest.mark.pure
def test_output_lines_are_marked_by_part_and_plain_in_a_file(mine: Product) -> None:
    lines = [line for line in mine.log().splitlines() if not READY.match(line)]
    assert lines
    assert all(re.match(r"(up|web|worker|beat|valkey)\s+\| ", line) for line in lines), mine.log()
    assert "\x1b" not in mine.log()


@pytest.mark.pure
def test_valkey_is_private(mine: Product) -> None:
    url_file = mine.home / "valkey.url"
    url = url_file.read_text().strip()
    password, port = url.split(":")[2].split("@")[0], int(url.split(":")[3].split("/")[0])
    assert url_file.stat().st_mode & 0o777 == 0o600
    assert (mine.home / "valkey" / "valkey.conf").stat().st_mode & 0o777 == 0o600
    assert not any(password in " ".join(psutil.Process(pid).cmdline()) for pid in mine.processes())
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
    server = redis.from_url(url)
    kept = server.config_get("append*")
    assert (kept["appendonly"], kept["appendfsync"]) == ("yes", "everysec")
    assert {c.laddr.ip for c in psutil.Process(mine.part("valkey")).net_connections() if c.status == "LISTEN"} == {
        "127.0.0.1"
    }


@pytest.mark.pure
@pytest.mark.parametrize("name", PARTS)
def test_a_killed_part_is_back_within_ten_seconds_and_jobs_go_on(mine: Product, name: str) -> None:
    url = (mine.home / "valkey.url").read_text()
    seen = len(mine.log())
    old = mine.part(name)
    children = [child.pid for child in psutil.Process(old).children(recursive=True)]
    begin = time.monotonic()
    mine.kill(name)
    wait_until(lambda: f"{name} is back." in mine.log()[seen:], 10, f"the return of {name}")
    assert time.monotonic() - begin < 10
    assert f"{name} ended (killed by SIGKILL)" in mine.log()[seen:]
    assert mine.part(name) not in (None, old)
    assert not any(is_alive(pid) for pid in children), "a killed part left children behind"
    assert (mine.home / "valkey.url").read_text() == url
    assert mine.python(COMPLETE) == "succeeded"
    assert requests.get(mine.base_url + "healthz", timeout=5).status_code == 200


@pytest.mark.pure
def test_a_second_one_on_the_same_home_is_refused_in_one_sentence(mine: Product) -> None:
    second = mine.manage("up", "--port", str(valkey.free_port()), check=False)
    assert second.returncode == 2
    assert second.stderr.startswith(f"Signalbox runs already from {mine.home} at {mine.base_url}")
    assert len(second.stderr.splitlines()) == 1


def test_sigterm_gives_running_jobs_back_and_leaves_no_process(new_product: Callable[..., Product]) -> None:
    product = new_product().start()
    everybody = product.processes()
    assert len(everybody) >= 8  # up, watchdog, web, worker and two children, beat, valkey
    product.python(START_LONG)
    assert product.stop(signal.SIGTERM) < 10
    assert product.process.returncode == 0
    wait_until(lambda: not any(is_alive(pid) for pid in everybody), 2, "the end of every process")
    assert product.python(LONG_STATE) == "queued", "a job that ran was not given back"
    assert not (product.home / "up.json").exists()


@pytest.mark.pure
def test_nothing_outlives_a_killed_up(new_product: Callable[..., Product]) -> None:
    product = new_product().start()
    everybody = product.processes()
    os.kill(product.pid, signal.SIGKILL)
    product.process.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in everybody), 5, "the end of every process")
    product.start()  # the same home is free again, and what it keeps is whole
    assert product.python(COMPLETE) == "succeeded"


@pytest.mark.pure
def test_options_and_ctrl_c(new_product: Callable[..., Product], servers: Servers) -> None:
    product = new_product("--server", "uvicorn", "--demo", REDIS_URL=servers.redis_url, SIGNALBOX_NAME="elsewhere")
    product.start()
    assert "uvicorn" in " ".join(psutil.Process(product.part("web")).cmdline())
    assert requests.get(product.base_url + "login/", timeout=5).status_code == 200
    assert product.part("valkey") is None
    assert not (product.home / "valkey.url").exists()
    wait_until(lambda: "succeeded" in product.python(STATES), 60, "a job of --demo")
    everybody = product.processes()
    assert product.stop(signal.SIGINT) < 10
    assert product.process.returncode == 0
    wait_until(lambda: not any(is_alive(pid) for pid in everybody), 2, "the end of every process")


def refused(home: Path, *options: str, **settings: str) -> str:
    """The one sentence with which `up` refuses to start, with exit 2."""
    environment = os.environ | {"SIGNALBOX_HOME": str(home), "DATABASE_URL": ""} | settings
    command = [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(valkey.free_port()), *options]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.strip()


@pytest.mark.pure
def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert refused(tmp_path / "home", "--port", port).startswith(f"Port {port} of 127.0.0.1 is taken")


@pytest.mark.pure
def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "SIGNALBOX_HOME" in refused(tmp_path / "file" / "home")
    assert "SIGNALBOX_HOME" in refused(tmp_path / "file" / "home", SECRET_KEY="x" * 20 + "0123456789abcdefghij")


@pytest.mark.pure
def test_wrong_options_and_an_absent_database_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "--port", "70000").startswith("--port is 70000")
    assert refused(tmp_path, "--concurrency", "0").startswith("--concurrency is 0")
    assert "--host is 'no.such.host.invalid'" in refused(tmp_path, "--host", "no.such.host.invalid")
    nobody = f"postgres://nobody@127.0.0.1:{valkey.free_port()}/none"
    assert refused(tmp_path, DATABASE_URL=nobody).startswith("The database cannot be used")
    assert "only work together" in refused(tmp_path, SIGNALBOX_ADMIN_USER="ada", SIGNALBOX_ADMIN_PASSWORD="")

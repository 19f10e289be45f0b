"""An upgrade and the way back while jobs wait: old and new processes share a database and a broker, and lose nothing.

The old code is the one in which a message stood for one job. It is taken out of the history of this repository.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.support.processes import ROOT, wait_until
from tests.support.servers import FAST, Servers

pytestmark = pytest.mark.process
OLD = "7dfadbe"
QUEUED, MORE = 5_000, 200  # jobs
SUBMIT = """
import sys, django
django.setup()
from tasks.engine import lifecycle
many, path = int(sys.argv[1]), sys.argv[2]
lifecycle.submit_many("noop", [{}] * (many - 60))
lifecycle.submit_many("works", [{"path": path}] * 30)
lifecycle.submit_many("hard_limited", [{"seconds": 0}] * 20)
for n in range(10):
    lifecycle.submit("serial", {"feed": str(n % 3)})
"""


class Installation:
    """One database and one broker, and processes of either code on them."""

    def __init__(self, servers: Servers, folder: Path, old: Path) -> None:
        self.servers, self.folder, self.code = servers, folder, {"old": old, "new": ROOT}
        self.url = servers.new_database() if servers.database_url else f"sqlite:///{folder}/upgraded.sqlite3"
        self.effects = folder / "effects"
        self.environment = os.environ | FAST | {
            "DATABASE_URL": self.url, "DJANGO_SETTINGS_MODULE": "project.settings", "SIGNALBOX_NAME": "upgraded",
            "SIGNALBOX_HOME": str(folder),
        }  # fmt: skip
        self.workers: list[subprocess.Popen] = []

    def run(self, code: str, *words: str) -> None:
        command = [sys.executable, *words]
        here = {"cwd": self.code[code], "env": self.environment | {"PYTHONPATH": str(self.code[code])}}
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **here)
        assert done.returncode == 0, done.stdout + done.stderr

    def migrate(self, code: str) -> None:
        self.run(code, "manage.py", "migrate", "-v0", "--skip-checks")

    def submit(self, code: str, many: int) -> None:
        self.run(code, "-c", SUBMIT, str(many), str(self.effects))

    def start(self, code: str) -> subprocess.Popen:
        name = f"{code}{len(self.workers)}"
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            command = [
                sys.executable,
                "-m",
                "celery",
                "-A",
                "project",
                "worker",
                "-n",
                f"{name}@%h",
                "-l",
                "INFO",
                "--concurrency",
            ]
            here = {"cwd": self.code[code], "env": self.environment | {"PYTHONPATH": str(self.code[code])}}
            pipes = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": subprocess.STDOUT}
            self.workers.append(subprocess.Popen([*command, "2"], start_new_session=True, **pipes, **here))
        self.servers.watchdog.watch(self.workers[-1].pid)
        wait_until(lambda: " ready." in log.read_text(), 120, f"the {code} worker")
        return self.workers[-1]

    def stop(self, worker: subprocess.Popen) -> None:
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)

    def ask(self, sql: str) -> list[tuple]:
        if self.servers.database_url:
            with psycopg.connect(self.url) as connection:
                return connection.execute(sql).fetchall()
        with sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=30) as connection:
            return connection.execute(sql).fetchall()

    def ended(self) -> int:
        return self.ask("SELECT count(*) FROM tasks_job WHERE finished_at IS NOT NULL")[0][0]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    packed = subprocess.run(["git", "archive", OLD], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip("This clone has no history that goes back to the old code.")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


@pytest.fixture
def installation(servers: Servers, tmp_path: Path, old: Path) -> Iterator[Installation]:
    with redis.from_url(servers.redis_url) as link:
        link.flushdb()
    made = Installation(servers, tmp_path, old)
    yield made
    for worker in made.workers:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


@pytest.mark.timeout(500)
def test_jobs_of_the_old_code_are_run_by_the_new_one_and_the_other_way_round(installation: Installation):
    installation.migrate("old")
    installation.submit("old", QUEUED)
    first = installation.start("old")
    wait_until(lambda: installation.ended() > 200, 60, "the first jobs")
    installation.stop(first)

    installation.migrate("new")  # then the order of the page: workers, web
    worker = installation.start("new")
    installation.submit("old", MORE)  # old web, new worker
    wait_until(lambda: installation.ended() > 2_000, 60, "more jobs")
    installation.submit("new", MORE)
    beside = installation.start("old")  # both for a while
    wait_until(lambda: installation.ended() > 2_600, 60, "jobs of both")

    installation.stop(worker)  # and back
    installation.submit("new", MORE)  # new web, old worker
    total = QUEUED + 3 * MORE
    wait_until(lambda: installation.ended() == total, 180, f"the end of {total} jobs")
    installation.stop(beside)

    states = Counter(installation.ask("SELECT kind, state FROM tasks_job"))
    ones = {"noop": QUEUED + 3 * MORE - 240, "works": 120, "hard_limited": 80, "serial": 40}
    assert states == {(kind, "succeeded"): many for kind, many in ones.items()}
    runs = Counter(line.split()[0] for line in installation.effects.read_text().splitlines())
    again = installation.ask("SELECT count(*) FROM tasks_attempt WHERE outcome NOT IN ('released', 'succeeded')")
    assert (len(runs), again) == (120, [(0,)])
    given_back = installation.ask("SELECT count(*) FROM tasks_attempt WHERE outcome = 'released'")[0][0]
    assert runs.total() - 120 <= given_back


def test_a_worker_started_first_serves_what_the_old_web_goes_on_to_submit(installation: Installation):
    """Each call of the one side finds the other's messages within a sweep, with no job of its own waiting for more."""
    installation.migrate("new")
    sides: list[tuple[str, str]] = [("new", "old"), ("old", "new")]
    for many, (worker, web) in enumerate(sides, 1):
        process = installation.start(worker)
        installation.submit(web, MORE)
        wait_until(lambda many=many: installation.ended() == many * MORE, 60, f"{web} web, {worker} worker")
        installation.stop(process)

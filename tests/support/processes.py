"""Real processes for tests: the whole product as `manage.py up`, and single workers on the test database.

Every process is watched by the run's watchdog, so nothing outlives pytest. Nothing here imports Django's models.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import requests

from project import parts, valkey
from tests.support.servers import FAST, Servers

ROOT = Path(__file__).resolve().parents[2]
# Runs code, one piece a line, and says what it printed: most of a `manage.py shell` is its start.
SHELL = """
import contextlib, io, json, sys, traceback
import django
django.setup()
from django.db import connections
for line in sys.stdin:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(json.loads(line), {})
        answer = {"printed": printed.getvalue().strip()}
    except Exception:
        answer = {"error": traceback.format_exc()}
    connections.close_all()
    print(json.dumps(answer), flush=True)
"""
READY = re.compile(r"^Signalbox is ready: (http://\S+/)$", re.MULTILINE)


def wait_until(true: Callable[[], object], seconds: float = 20, what: str = "it") -> object:
    """Asks until the answer is true; AssertionError when the time is over. For other processes; no fixed sleeps."""
    end = time.monotonic() + seconds
    while not (answer := true()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} was not true within {seconds:g} s")
        time.sleep(0.02)
    return answer


def is_alive(pid: int) -> bool:
    """False also for a zombie, which only waits for a parent that does not care."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listens(port: int) -> bool:
    """Whether somebody takes connections at this port of ours."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Product:
    """`manage.py up` on a home and a port of its own, until ``stop``.

    ``base_url`` (ends with a slash), ``home``, ``pid``, ``user`` and ``password`` of the admin, ``log()``. With
    ``migrated`` it begins with the tables of a fresh install, as after an earlier start; without, with nothing.
    """

    user, password = "ada", "first-admin-of-the-tests"

    def __init__(
        self, servers: Servers, folder: Path, *options: str, admin: bool = True, migrated: bool = True, **settings: str
    ) -> None:
        self.servers, self.home = servers, folder / "home"
        self.port = valkey.free_port()
        self.log_file = folder / "up.log"
        wanted = FAST | {"SIGNALBOX_HOME": str(self.home), "SIGNALBOX_ALLOW_NETWORKS": "127.0.0.0/8,::1"}
        if servers.database_url:
            wanted["DATABASE_URL"] = servers.new_database(servers.migrated() if migrated else "template1")
        elif migrated:
            self.home.mkdir(mode=0o700, parents=True)
            shutil.copyfile(servers.migrated(), self.home / "signalbox.sqlite3")
        if admin:
            wanted |= {"SIGNALBOX_ADMIN_USER": self.user, "SIGNALBOX_ADMIN_PASSWORD": self.password}
        ours = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "CELERY_BROKER_URL"}
        inherited = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith("COV_")}
        self.environment = inherited | wanted | settings
        self.command = [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(self.port), *options]
        self.process: subprocess.Popen | None = None
        self.shell: subprocess.Popen | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self, seconds: float = 90) -> "Product":
        self.home.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_file, "ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd="/", start_new_session=True,
            )  # fmt: skip
        self.servers.watchdog.watch(self.process.pid)

        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"`up` ended with exit {self.process.returncode}:\n{self.log()}")
            return bool(READY.search(self.log()[before:]))

        try:
            wait_until(ready, seconds, "the ready line of `up`")
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.log()}") from None
        return self

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def part(self, name: str) -> int | None:
        """The process id that a part has now; None while it is down."""
        return json.loads((self.home / "up.json").read_text())["parts"].get(name)

    def kill(self, name: str) -> int:
        """kill -9 for a part; returns the process id it had."""
        pid = self.part(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def processes(self) -> list[int]:
        """Every process of the product, `up` first."""
        root = psutil.Process(self.pid)
        return [root.pid, *(child.pid for child in root.children(recursive=True))]

    def manage(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        """A manage.py command in the environment of the product."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *words], env=self.environment, text=True, capture_output=True,
            check=check, cwd="/", timeout=120,
        )  # fmt: skip

    def python(self, code: str) -> str:
        """What ``code`` prints when it runs inside the product's Django, in a process of its own that stays."""
        if self.shell is None:
            self.shell = subprocess.Popen(
                [sys.executable, "-c", SHELL], env=self.environment | {"DJANGO_SETTINGS_MODULE": "project.settings"},
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
            self.servers.watchdog.watch(self.shell.pid)
        print(json.dumps(code), file=self.shell.stdin, flush=True)
        answer = json.loads(self.shell.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["printed"]

    def browser(self) -> requests.Session:
        """A logged-in HTTP session of the admin."""
        session = requests.Session()
        page = session.get(self.base_url + "login/", timeout=10)
        page.raise_for_status()
        form = {"username": self.user, "password": self.password, "csrfmiddlewaretoken": csrf(session)}
        answer = session.post(self.base_url + "login/", form, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return session

    def stop(self, number: int = signal.SIGTERM, seconds: float = 12) -> float:
        """Ends the product as a user would; returns the seconds it took."""
        if self.shell is not None:
            with self.shell as shell:
                shell.kill()
            self.servers.watchdog.forget(shell.pid)
            self.shell = None
        begin = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise AssertionError(f"`up` did not end within {seconds:g} s:\n{self.log()}") from None
            finally:
                self.servers.watchdog.forget(self.process.pid)
        return time.monotonic() - begin


def csrf(session: requests.Session) -> str:
    """The CSRF token of a session, from its cookie."""
    return session.cookies["signalbox_csrf"]


class Worker:
    """A Celery worker on the database of the running test (use `start_worker`)."""

    def __init__(
        self,
        servers: Servers,
        environment: dict[str, str],
        name: str,
        concurrency: int,
        log: Path,
        pool: str,
        more: Sequence[str] = (),
    ) -> None:
        self.servers, self.name, self.log_file = servers, name, log
        options = ["-n", f"{name}@%h", "-l", "INFO", "--concurrency", str(concurrency), "--pool", pool, *more]
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                parts.celery("worker", *options), env=os.environ | environment, cwd=ROOT, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        servers.watchdog.watch(self.process.pid)

    def wait_ready(self, seconds: float = 60) -> "Worker":
        try:
            wait_until(lambda: self.process.poll() is not None or "signalbox:ready" in self.log(), seconds)
            assert self.process.poll() is None
        except AssertionError:
            raise AssertionError(f"the worker {self.name} did not start:\n{self.log()}") from None
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.pid).children()]

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9 for the worker and all of its children at once, as when a machine is lost."""
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self.servers.watchdog.forget(self.pid)

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM, as a deployment does; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the worker {self.name} did not end in {seconds:g} s:\n{self.log()}") from None
        self.kill()
        return self.process.returncode

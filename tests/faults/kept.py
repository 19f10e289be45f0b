"""The processes of the rig: each is kept, started again when it was killed, and its log is a file.

A process is a group of its own, known to an watchdog, so nothing outlives the rig.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from project import parts, valkey
from project.supervisor import Watchdog, kill_group
from tests.support.processes import ROOT, wait_until


class Kept:
    """One process, by a command that can be run again. ``ready`` is asked until it says yes."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        log: Path,
        watchdog: Watchdog,
        ready: Callable[["Kept"], bool],
        **options: Any,
    ) -> None:
        self.name, self.command, self.environment, self.log = name, command, environment, log
        self.watchdog, self._ready, self.options = watchdog, ready, options
        self.process: subprocess.Popen | None = None
        self.starts = 0
        self._before = 0

    def start(self) -> "Kept":
        with open(self.log, "ab") as out:
            self._before = out.tell()
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                **({"cwd": ROOT, "start_new_session": True} | self.options),
            )  # fmt: skip
        self.watchdog.watch(self.process.pid)
        self.starts += 1
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        """Its log since it was last started."""
        with open(self.log, "rb") as log:
            log.seek(self._before)
            return log.read().decode(errors="replace")

    def is_ready(self) -> bool:
        return self.process is not None and self.process.poll() is None and self._ready(self)

    def wait_ready(self, seconds: float = 90) -> "Kept":
        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.said()[-3000:]}")
            return self._ready(self)

        try:
            wait_until(ready, seconds, f"{self.name} being ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()[-3000:]}") from None
        return self

    def children(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.pid).children()]

    def memory(self) -> int:
        """Bytes that it holds."""
        return psutil.Process(self.pid).memory_info().rss

    def kill(self, restart: bool = True) -> None:
        """kill -9 for the whole group, as when a machine is lost."""
        kill_group(self.pid)
        self.process.wait()
        self.watchdog.forget(self.pid)
        if restart:
            self.start()

    def freeze(self) -> None:
        kill_group(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        kill_group(self.pid, signal.SIGCONT)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> float:
        """As a deployment does; returns the seconds it took."""
        began = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill(restart=False)
                raise AssertionError(f"{self.name} did not end in {seconds:g} s:\n{self.said()[-3000:]}") from None
            kill_group(self.pid)  # what it left behind
            self.watchdog.forget(self.pid)
        return time.monotonic() - began


class Answer:
    """What a call inside the product came to: ``value`` or ``error``, and the seconds it ``took`` there."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.value, self.error, self.took = said.get("ok"), said.get("error"), said.get("took", 0.0)


class Inside:
    """The rig's hand in the product: a process of tests.faults.inside, asked by one thread at a time."""

    def __init__(self, environment: dict[str, str], log: Path, watchdog: Watchdog) -> None:
        self._lock = threading.Lock()
        with open(log, "ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.inside"], env=environment, cwd=ROOT, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, bufsize=1,
            )  # fmt: skip
        watchdog.watch(self.process.pid)
        self.watchdog = watchdog

    def wait_ready(self) -> "Inside":
        if "ready" not in self.process.stdout.readline():
            raise AssertionError("the rig's own process inside the product did not start")
        return self

    def ask(self, call: str, **words: Any) -> Answer:
        with self._lock:
            self.process.stdin.write(json.dumps({"call": call, **words}) + "\n")
            return Answer(json.loads(self.process.stdout.readline()))

    def get(self, call: str, **words: Any) -> Any:
        """The value, or AssertionError."""
        answer = self.ask(call, **words)
        assert answer.error is None, answer.error
        return answer.value

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            kill_group(self.process.pid)
            self.process.wait()
        self.process.stdout.close()
        self.watchdog.forget(self.process.pid)


def web(server: str, port: int, **kept: Any) -> Kept:
    part = parts.web(server, "127.0.0.1", port, "127.0.0.1")
    return Kept(f"{server}:{port}", part.command, ready=lambda _: part.ready(part), **kept)


def worker(name: str, concurrency: int, **kept: Any) -> Kept:
    options = ["-n", f"{name}@%h", "-l", "INFO", "--pool", "prefork", "--concurrency", str(concurrency)]
    return Kept(name, parts.celery("worker", *options), ready=lambda one: "signalbox:ready" in one.said(), **kept)


def redis_server(folder: Path, **kept: Any) -> tuple[Kept, str]:
    """A Valkey that forgets everything when it is killed, and its URL."""
    command, url = valkey.configure(folder, append=False)
    return Kept("valkey", command, ready=lambda _: parts.pongs(None, url), **kept), url


def environment(**more: str) -> dict[str, str]:
    """What the product's processes get: nothing of the caller's settings."""
    ours = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "CELERY_BROKER_URL", "ALLOWED_HOSTS", "DEBUG"}
    inherited = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith(("SIGNALBOX_", "COV_"))}
    return inherited | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)} | more

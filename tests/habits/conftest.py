"""Sets of processes for all cases, each with a worker and a caller: plain Celery, and the product in two ways."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from project import parts
from tests.support.processes import ROOT, wait_until
from tests.support.servers import FAST, Servers


class Seen(NamedTuple):
    """What a case showed: what its caller saw, and what its tasks noted, in the order of time."""

    saw: Any
    log: list[str]


class Side:
    """``run`` a case there.

    ``name``: "plain" is Celery. "ours" is the product with tasks of ``@job``, and "adopted" the product with tasks of
    ``@shared_task`` that SIGNALBOX_ADOPT names.
    """

    def __init__(self, servers: Servers, folder: Path, name: str) -> None:
        folder.mkdir()
        self.log, self.output = folder / "tasks.log", folder / "worker.log"
        env = {k: v for k, v in os.environ.items() if k != "CELERY_BROKER_URL"}
        env |= FAST | {"HABITS_SIDE": name, "HABITS_LOG": str(self.log), "PYTHONPATH": str(ROOT)}
        if name == "plain":
            broker = servers.redis_url.partition("?")[0].rpartition("/")[0] + "/9"
            env |= {"HABITS_BROKER": broker}
            env.pop("DJANGO_SETTINGS_MODULE", None)
            worker = [sys.executable, "-m", "celery", "-A", "tests.habits.team", "worker", "-Q", "celery,routed"]
        else:
            url = servers.new_database(servers.migrated()) if servers.database_url else copied(servers, folder)
            env |= {
                "DATABASE_URL": url,
                "DJANGO_SETTINGS_MODULE": "project.settings",
                "SIGNALBOX_APPS": "tests.habits.team",
            }
            env |= {"SIGNALBOX_NAME": f"habits_{name}", "SIGNALBOX_HOME": str(folder)}
            env |= {"SIGNALBOX_ADOPT": "habits_*,tests.habits.*"} if name == "adopted" else {}
            worker = parts.celery("worker")
        options = ["-n", f"{folder.name}@%h", "-l", "INFO", "--concurrency", "1"]
        with open(self.output, "wb") as out, open(folder / "caller.log", "wb") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors, "text": True}
            own = {"env": env, "cwd": ROOT, "start_new_session": True}
            self.parts = [
                subprocess.Popen([*worker, *options], stdin=subprocess.DEVNULL, stdout=out, stderr=out, **own),
                subprocess.Popen([sys.executable, "-m", "tests.habits.caller"], **pipes, **own),
            ]
        for part in self.parts:
            servers.watchdog.watch(part.pid)
        wait_until(lambda: "ready" in self.output.read_text(), 60, "the worker's start")

    def run(self, module: str, case: str) -> Seen:
        caller = self.parts[1]
        print(module, case, file=caller.stdin, flush=True)
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.append(caller.stdout.readline()), daemon=True)
        reader.start()
        reader.join(60)
        assert lines and lines[0], f"no answer to {case}\n{(self.output.parent / 'caller.log').read_text()[-3000:]}"
        answer = json.loads(lines[0])
        assert "error" not in answer, answer["error"]
        return Seen(answer["saw"], self.log.read_text().splitlines())

    def stop(self, servers: Servers) -> None:
        for part in self.parts:
            os.killpg(part.pid, 9)
            part.wait()
            servers.watchdog.forget(part.pid)


def copied(servers: Servers, folder: Path) -> str:
    file = folder / "habits.sqlite3"
    file.write_bytes(Path(servers.migrated()).read_bytes())
    return f"sqlite:///{file}"


@pytest.fixture(scope="session")
def sides(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Side]]:
    """The sides by their names, each started when it is asked for first."""
    folder, started = tmp_path_factory.mktemp("habits"), {}

    def side(name: str) -> Side:
        if name not in started:
            started[name] = Side(servers, folder / name, name)
        return started[name]

    yield side
    for each in started.values():
        each.stop(servers)

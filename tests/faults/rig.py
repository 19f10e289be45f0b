"""The rig: Valkey, a database, two web processes, two workers, clients, and a proxy between any two of them.

It starts, breaks and heals; it judges nothing. Submits go through a process of the product's own (`self.inside`), each
with an idempotency key, and are repeated until they are accepted: what was accepted stands in `self.accepted`.
"""

import os
import pwd
import random
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from project import valkey
from project.supervisor import Watchdog
from tests.faults import kept
from tests.faults.kept import Answer, Inside, Kept
from tests.faults.proxy import Proxy
from tests.faults.recorder import Clients
from tests.faults.truth import Truth
from tests.faults.witness import Witness
from tests.support.servers import FAST, Servers

PEOPLE = ("ada", "ben", "cleo", "dan", "eve", "finn")
WEB = ("daphne", "uvicorn")
PATIENCE_S = 60.0  # for a submit to be accepted at last, once the fault is over


class Rig:
    def __init__(
        self,
        folder: Path,
        database: str = "sqlite",
        seed: int = 1,
        disk: Path | None = None,
        web: tuple[str, ...] = WEB,
        **settings: str,
    ) -> None:
        self.folder, self.seed, self.random, self.servers_of_web = folder, seed, random.Random(seed), web
        folder.mkdir(parents=True, exist_ok=True)
        self.runs, self.faults = folder / "runs.jsonl", folder / "layer.json"
        self.runs.touch()
        self.watchdog = Watchdog()
        self.proxy, self.clients = Proxy(), Clients(seed)
        self.postgres: Kept | None = None
        self.servers = Servers() if database == "postgres" else None
        self._disk, self._settings = disk or folder, settings
        self.accepted: dict[str, dict[str, Any]] = {}  # job id → what was asked, and how long the yes took
        self.lease = float((FAST | settings)["SIGNALBOX_LEASE_S"])
        self.asked = 0
        self.meant: set[str] = set()  # jobs that a person cancelled or retried

    # --- start and end ------------------------------------------------------------------------------------------

    def start(self, workers: int = 2, concurrency: int = 2) -> "Rig":
        self.redis, redis_url = kept.redis_server(self.folder, **self._kept({}, "valkey"))
        self.redis.start().wait_ready()
        self.redis_url = redis_url
        database = self._start_postgres() if self.servers else f"sqlite:///{self._disk / 'signalbox.sqlite3'}"
        self.truth = Truth(database)
        base = FAST | self._settings | {
            "SIGNALBOX_HOME": str(self.folder / "home"),
            "SIGNALBOX_APPS": "tests,tests.faults",
            "SIGNALBOX_CHANNEL_LAYER": "tests.faults.layer.FaultyLayer",
            "SIGNALBOX_ALLOW_NETWORKS": "127.0.0.0/8,::1",
            "SIGNALBOX_SOCKETS_PER_USER": "1000",
            "SECRET_KEY": "only-for-the-rig-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG",
            "FAULTS_RUNS": str(self.runs),
            "FAULTS_LAYER": str(self.faults),
        }  # fmt: skip
        (self.folder / "home/static").mkdir(parents=True, exist_ok=True)
        self._links(redis_url, database)
        in_web = base | self._addresses(redis_url, database, self.web_layer, self.web_broker, self.web_database)
        in_worker = base | self._addresses(redis_url, database, self.work_layer, self.work_broker, self.work_database)
        self.in_web, self.in_worker = in_web, in_worker
        self.inside = self.new_inside()
        self.inside.get("migrate")
        self.witness = Witness(database)
        self.witness.start()
        self.sessions = [self.inside.get("session", name=name) for name in PEOPLE]
        self.token = self.inside.get("token", name=PEOPLE[0])
        self.web = [
            kept.web(server, port, **self._kept(in_web, f"web-{server}-{port}")) for server, port in self._ports
        ]
        self.workers = [
            kept.worker(f"w{n}", concurrency, **self._kept(in_worker, f"worker{n}")) for n in range(1, workers + 1)
        ]
        for process in (*self.web, *self.workers):
            process.start()
        for process in (*self.web, *self.workers):
            process.wait_ready()
        return self

    def stop(self) -> None:
        self.clients.close()
        for hand in (getattr(self, name, None) for name in ("witness", "inside")):
            if hand is not None:
                hand.close()
        for process in (*self.web, *self.workers, self.postgres, self.redis):
            if process is not None and process.process is not None:
                process.kill(restart=False)
        self.proxy.close()
        self.truth.close()
        self.watchdog.close()
        if self.servers:
            self.servers.stop()

    def new_inside(self) -> Inside:
        return Inside(kept.environment(**self.in_web), self.folder / "inside.log", self.watchdog).wait_ready()

    def _kept(self, more: dict[str, str], log: str) -> dict[str, Any]:
        settings = kept.environment(**more)
        return {"environment": settings, "log": self.folder / f"{log}.log", "watchdog": self.watchdog}

    def _links(self, redis_url: str, database: str) -> None:
        def link(*to: int) -> Any:
            return self.proxy.link(valkey.free_port(), *to)

        redis = urlsplit(redis_url).port
        self.web_layer, self.web_broker = link(redis), link(redis)
        self.work_layer, self.work_broker = link(redis), link(redis)
        port = urlsplit(database).port
        self.web_database, self.work_database = (link(port), link(port)) if port else (None, None)
        self._ports = [(server, valkey.free_port()) for server in self.servers_of_web]
        self.to_web = [link(port) for _, port in self._ports]

    def _addresses(self, redis_url: str, database: str, layer: Any, broker: Any, data: Any) -> dict[str, str]:
        return {
            "REDIS_URL": at(redis_url, layer.port),
            "CELERY_BROKER_URL": at(redis_url, broker.port),
            "DATABASE_URL": at(database, data.port) if data else database,
        }

    def _start_postgres(self) -> str:
        """The tests' own PostgreSQL, kept by the rig, which restarts it; a commit is one even when it is killed."""
        self.servers.start_postgres()
        first = self.servers.processes.pop()
        command, options = [word.replace("synchronous_commit=off", "synchronous_commit=on") for word in first.args], {}
        first.terminate()
        first.wait(20)
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
        where = urlsplit(self.servers.database_url)
        settings = self._kept({}, "postgres") | options
        self.postgres = Kept("postgres", command, ready=lambda _: Truth.answers(where.geturl()), **settings)
        self.postgres.start().wait_ready()
        return self.servers.database_url

    # --- work ---------------------------------------------------------------------------------------------------

    def submit(self, kind: str, countdown: float | None = None, inside: Inside | None = None, **params: Any) -> Answer:
        """Ask until the answer is yes; what was said no to is asked again with the same key. The first answer."""
        self.asked += 1
        key, first, end = f"rig-{self.seed}-{self.asked}", None, time.monotonic() + PATIENCE_S
        owner = PEOPLE[self.asked % len(PEOPLE)]
        while True:
            words = {"kind": kind, "params": params, "key": key, "owner": owner, "countdown": countdown}
            answer = (inside or self.inside).ask("submit", **words)
            first = first or answer
            if answer.error is None:
                self.accepted[answer.value] = {"kind": kind, "key": key, "params": params, "took": answer.took}
                return first
            assert time.monotonic() < end, f"a submit was refused for {PATIENCE_S:g} s: {answer.error}"
            time.sleep(0.2)

    def submit_some(self, number: int, seconds: float = 0.1) -> list[str]:
        """A mixture: most work for a moment, some stumble, some break, some start later. Their ids."""
        before = set(self.accepted)
        for n in range(number):
            match self.random.random():
                case chance if chance < 0.70:
                    self.submit("traced", n=n, seconds=self.random.uniform(0, 2 * seconds))
                case chance if chance < 0.85:
                    self.submit("stumbles", n=n, times=self.random.choice((1, 2)))
                case chance if chance < 0.92:
                    self.submit("shatters", n=n)
                case _:
                    self.submit("traced", countdown=self.random.uniform(0.5, 3), n=n)
        return [job for job in self.accepted if job not in before]

    def post(self, kind: str, patience: float = 15, **params: Any) -> requests.Response:
        """Ask once over HTTP, each time of the other web process; a yes counts as accepted. Raises on no answer."""
        self.asked += 1
        key, link = f"http-{self.seed}-{self.asked}", self.to_web[self.asked % len(self.to_web)]
        answer = requests.post(
            f"http://127.0.0.1:{link.port}/api/v1/jobs/",
            json={"kind": kind, "params": params},
            headers={"Authorization": f"Token {self.token}", "Idempotency-Key": key},
            timeout=patience,
        )
        if answer.status_code in (200, 201):
            self.accepted[answer.json()["id"]] = {"kind": kind, "key": key, "params": params}
        return answer

    def heal(self) -> None:
        """End every fault that may still be there; what died was started again by who killed it."""
        self.faults.unlink(missing_ok=True)
        self.proxy.heal()
        for process in (*self.web, *self.workers, self.redis, self.postgres):
            if process is not None:
                process.thaw()
        for process in (*self.web, *self.workers):
            if process.process.poll() is not None:
                process.start()


def at(url: str, port: int) -> str:
    """The same address, through the proxy."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")))

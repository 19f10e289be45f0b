"""The rig with the peer in the product's place: the same Valkey, database, proxy, processes and faults."""

import asyncio
import contextlib
import importlib
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import websockets

from tests.faults import kept
from tests.faults.rig import Rig
from tests.faults.truth import Truth
from tests.support.processes import listens, wait_until

SITE = "tests.faults.plain.site"
SERVE = {
    "daphne": ["-v", "0", "-b", "127.0.0.1", "-p"],
    "uvicorn": ["--lifespan", "off", "--log-level", "warning", "--port"],
}


class Page:
    """What a browser shows: the last that it received of each job. It reconnects a second after its link was lost."""

    def __init__(self, port: int, session: str) -> None:
        self.port, self.headers = port, {"Cookie": f"sessionid={session}"}
        self.shown: dict[str, str] = {}
        self.live, self.connected_at, self.frames = False, 0.0, 0

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError, websockets.WebSocketException):
                async with await self.open() as link:
                    self.live, self.connected_at = True, time.monotonic()
                    async for text in link:
                        self.frames += 1
                        self.shown |= json.loads(text)
            self.live = False
            await asyncio.sleep(1)

    def open(self) -> Any:
        options = {"ping_interval": None, "compression": None, "max_size": None, "proxy": None, "close_timeout": 1}
        return websockets.connect(f"ws://127.0.0.1:{self.port}/ws/", additional_headers=self.headers, **options)


class Plain(Rig):
    """Two web processes, two workers of two slots, four pages; ``late``: with late acknowledgement."""

    def __init__(self, folder: Path, database: str, seed: int, late: bool) -> None:
        super().__init__(folder, database, seed)
        self.late = late
        self.pages: list[Page] = []
        self.jobs: list[str] = []  # accepted: delay() returned
        self.refused, self.slowest = 0, 0.0

    def start(self) -> "Plain":
        self.redis, self.redis_url = kept.redis_server(self.folder, **self._kept({}, "valkey"))
        self.redis.start().wait_ready()
        database = self._start_postgres() if self.servers else f"sqlite:///{self.folder / 'plain.sqlite3'}"
        self.truth = Truth(database)
        self._links(self.redis_url, database)
        base = {
            "DJANGO_SETTINGS_MODULE": "tests.faults.plain.settings",
            "SECRET_KEY": "only-for-the-rig",
            "FAULTS_RUNS": str(self.runs),
            "FAULTS_LAYER": str(self.faults),
        } | ({"PLAIN_LATE": "1"} if self.late else {})
        in_web = base | self._addresses(self.redis_url, database, self.web_layer, self.web_broker, self.web_database)
        in_work = base | self._addresses(
            self.redis_url, database, self.work_layer, self.work_broker, self.work_database
        )
        os.environ |= in_web
        self.site = importlib.import_module(SITE)
        self._migrate()
        self.session = self.new_session().session_key
        self.web = [self._web(server, port, in_web) for server, port in self._ports]
        self.workers = [self._worker(f"w{n}", in_work) for n in (1, 2)]
        for process in (*self.web, *self.workers):
            process.start()
        for process in (*self.web, *self.workers):
            process.wait_ready()
        for link in self.to_web:
            self.add_pages(link.port, 2)
        return self

    def _migrate(self) -> None:
        from django.core.management import call_command  # Django is set up by now, and was not before

        call_command("migrate", verbosity=0, interactive=False)
        for table in self.site.TABLES:
            self.site.sql(table)
        if self.servers is None:
            self.truth.read("PRAGMA journal_mode=wal")

    def new_session(self) -> Any:
        """A session of the one person there is."""
        from django.contrib import auth
        from django.contrib.sessions.backends.db import SessionStore

        user, _ = auth.get_user_model().objects.get_or_create(username="ada")
        store = SessionStore()
        store[auth.SESSION_KEY], store[auth.HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
        store[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        store.create()
        return store

    def _web(self, server: str, port: int, settings: dict[str, str]) -> kept.Kept:
        command = [sys.executable, "-m", server, *SERVE[server], str(port), f"{SITE}:application"]
        return kept.Kept(server, command, ready=lambda _: listens(port), **self._kept(settings, f"web-{server}"))

    def _worker(self, name: str, settings: dict[str, str]) -> kept.Kept:
        command = [sys.executable, "-m", "celery", "-A", f"{SITE}:app", "worker", "-n", f"{name}@%h", "-c", "2"]
        command += ["-l", "INFO"]
        return kept.Kept(name, command, ready=lambda one: " ready." in one.said(), **self._kept(settings, name))

    def add_pages(self, port: int, number: int) -> list[Page]:
        made = [Page(port, self.session) for _ in range(number)]
        for page in made:
            asyncio.run_coroutine_threadsafe(page.run(), self.clients.loop)
        self.pages += made
        return made

    def reload(self) -> None:
        """Every page is opened again: what it showed wrongly before is not counted again."""
        self.pages = self.pages[:4]
        for link in self.to_web:
            link.reset()
        time.sleep(0.2)  # until the reset is seen
        wait_until(lambda: all(page.live for page in self.pages), 60, "all pages are live")

    # --- work and what became of it -----------------------------------------------------------------------------

    def ask(self, task: str, **params: Any) -> str | None:
        """Submit once, as a view does; the id when it was accepted."""
        self.asked += 1
        job, began = f"job-{self.asked}", time.monotonic()
        try:
            self.site.submit(getattr(self.site, task), job, **params)
        except Exception:
            self.site.connection.close()
            self.refused += 1
            return None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)
        self.jobs.append(job)
        return job

    @contextlib.contextmanager
    def load(self) -> Any:
        """Somebody who submits all the time meanwhile."""
        over = threading.Event()

        def submit() -> None:
            while not over.wait(0.1):
                self.ask("traced", seconds=self.random.uniform(0, 0.6))
            self.site.connection.close()

        thread = threading.Thread(target=submit, daemon=True)
        thread.start()
        time.sleep(1)
        try:
            yield
            time.sleep(1)
        finally:
            over.set()
            self.heal()
            thread.join(60)

    def ran(self, what: str) -> Counter[str]:
        lines = [json.loads(line) for line in self.runs.read_text().splitlines()]
        return Counter(line["job"] for line in lines if line["what"] == what)

    def wrong_pages(self) -> int:
        """Pages that show a job otherwise than its row is, of those that are open."""
        rows = dict(self.truth.read("SELECT job, state FROM work"))
        return sum(any(page.shown.get(job, "queued") != state for job, state in rows.items()) for page in self.pages)

"""Applications that are not ours, as real processes for tests: a Redis or RabbitMQ, workers, a diary of what truly ran.

The observer runs in the test's own process (``Watching``) on the test database, or as ``manage.py observe``.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from amqp.exceptions import AMQPError
from celery import Celery
from django.conf import settings
from django.db import connections
from django.db.models import F
from kombu import Connection

from project import valkey
from project.observe_settings import Address
from tasks.engine.models import Attempt, Job
from tasks.observe import observer as observers
from tests.support.processes import ROOT, wait_until
from tests.support.servers import Servers


class Shop:
    """An application: its broker, its workers, its diary."""

    def __init__(self, servers: Servers, folder: Path, broker: str, results: str = "", **conf: Any) -> None:
        self.servers, self.folder, self.broker, self.results = servers, folder, broker, results
        self.folder.mkdir(parents=True, exist_ok=True)
        self.diary_file = folder / "diary"
        self.diary_file.touch()
        self.conf = conf
        self.python = sys.executable  # another one has another Celery
        self.workers: dict[str, subprocess.Popen] = {}
        self.app = Celery("shop", broker=broker, backend=results or None, set_as_current=False, fixups=[])
        self.app.conf.update(conf)

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {"SHOP_BROKER": self.broker, "SHOP_RESULTS": self.results, "SHOP_DIARY": str(self.diary_file)}
        return kept | own | {"SHOP_CONF": json.dumps(self.conf), "PYTHONPATH": str(ROOT)}

    def start(self, name: str = "w1", *options: str, concurrency: int = 2, **environment: str) -> subprocess.Popen:
        """A worker. It is not asked for events with -E: switching them on is what is tested."""
        log = open(self.folder / f"{name}.log", "ab")  # noqa: SIM115 - the worker writes to it
        command = [
            self.python,
            "-m",
            "celery",
            "-A",
            "tests.observe.shop",
            "worker",
            "-n",
            f"{name}@here",
            "-l",
            "INFO",
        ]
        process = subprocess.Popen(
            [*command, "-c", str(concurrency), *options], cwd=ROOT, env=self.environment() | environment,
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.servers.watchdog.watch(process.pid)
        self.workers[name] = process
        wait_until(lambda: " ready." in self.log(name) or process.poll() is not None, 40, f"the worker {name}")
        assert process.poll() is None, self.log(name)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        os.killpg(self.workers.pop(name).pid, signal.SIGKILL)

    def stop(self) -> None:
        for process in self.workers.values():
            try:
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        self.workers = {}

    def send(self, name: str, *args: Any, **options: Any) -> str:
        kwargs = options.pop("kwargs", {})
        return self.app.send_task(f"shop.{name}", args, kwargs, **options).id

    def has_told_all(self) -> bool:
        """Whether no task runs: a worker takes one off its list in the step in which it tells how it ended."""
        answers = self.app.control.inspect(timeout=1).active()
        return answers is not None and not any(answers.values())

    def diary(self) -> dict[str, list[str]]:
        """Task → what it wrote, in order."""
        found: dict[str, list[str]] = {}
        for line in self.diary_file.read_text().splitlines():
            task, word, *_ = json.loads(line)
            found.setdefault(task, []).append(word)
        return found


class Watching:
    """An observer in a thread of the test's process; ``with`` starts and stops it."""

    def __init__(self, shops: dict[str, str]) -> None:
        settings.SIGNALBOX_OBSERVE = {name: Address(url) for name, url in shops.items()}
        self.observer = observers.Observer()
        self.error: BaseException | None = None

    def __enter__(self) -> "Watching":
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.error or all(self.leads(name) for name in settings.SIGNALBOX_OBSERVE), 20, "the lead")
        return self

    def leads(self, name: str) -> bool:
        watched = self.observer.watched.get(name)
        return watched is not None and watched.leads

    def _run(self) -> None:
        try:
            self.observer.start()
            self.observer.run()
        except BaseException as error:
            self.error = error
            raise
        finally:
            connections.close_all()

    def __exit__(self, *_: object) -> None:
        self.observer.stopping.set()
        self.thread.join(15)
        assert self.error is None

    def freeze(self) -> None:
        """As SIGKILL: nothing is read or written any more, nothing is said."""
        for watched in self.observer.watched.values():
            watched.watcher and setattr(watched, "stop", lambda: None)
            for thread in watched.threads:
                thread.stop()
            if watched.controller:
                watched.controller.stop()
        self.observer.stopping.set()
        self.thread.join(15)


class ObserverProcess:
    """``manage.py observe`` on the database of the test, which can be killed and frozen."""

    def __init__(self, servers: Servers, log: Path, url: str, **environment: str) -> None:
        self.log, self.servers = log, servers
        more = {"PYTHONUNBUFFERED": "1", "DATABASE_URL": url} | environment
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "observe"], cwd=ROOT, env=os.environ | more, stdout=out,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        servers.watchdog.watch(self.process.pid)
        wait_until(lambda: "signalbox:ready" in log.read_text() or self.process.poll() is not None, 40, "the observer")
        assert self.process.poll() is None, log.read_text()

    def tell(self, word: signal.Signals) -> None:
        os.killpg(self.process.pid, word)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.tell(signal.SIGKILL)
        self.process.wait()


class Sender(threading.Thread):
    """Sends tasks of every sort at a steady rate until ``stop``; what the broker does not take is not sent again."""

    def __init__(self, shop: Shop, rate: float) -> None:
        super().__init__(daemon=True)
        self.shop, self.rate, self.sent = shop, rate, 0
        self.stopping = threading.Event()
        self.start()

    def run(self) -> None:
        kinds = [("add", 1, 2), ("fail",), ("add", 3, 4), ("again", 1), ("sleep", 0.5)]
        began = time.monotonic()
        while not self.stopping.wait(0.01):
            while self.sent < (time.monotonic() - began) * self.rate and not self.stopping.is_set():
                name, *args = kinds[self.sent % len(kinds)]
                self.sent += 1
                try:
                    self.shop.send(name, *args)
                except Exception:
                    self.stopping.wait(0.1)

    def stop(self) -> None:
        self.stopping.set()
        self.join(20)


AGREES = {  # the last word of the file in which tasks write, and the states that a row may have then
    "succeeded": {"succeeded"},
    "failed": {"failed"},
    "retried": {"retrying", "queued", "scheduled"},
    "started": {"running"},
}


def wrong(shop: Shop, held: Collection[str] = (), runs: bool = True, app: str = "shop") -> dict[str, str]:
    """Task → what its row says and what is true, of those that do not agree. ``held``: what the broker has. ``runs``:
    whether what has begun and not ended can still be running.

    The judge is the file in which the tasks write what truly ran; ``unknown`` claims nothing.
    """
    truth = shop.diary()
    found = {}
    for task, said in Job.every.filter(app=app).exclude(state="unknown").values_list("task_id", "state"):
        words = truth.get(task)
        right = AGREES[words[-1]] if words else {"queued", "scheduled"} if task in held else set()
        if said not in right or (said == "running" and not runs):
            found[task] = f"{said}, and truly {words}" + (", with its message in the broker" if task in held else "")
    return found


def never_seen(shop: Shop, app: str = "shop") -> set[str]:
    """Tasks that ran and have no row."""
    return shop.diary().keys() - set(Job.every.filter(app=app).values_list("task_id", flat=True))


def executions(shop: Shop) -> int:
    """How many attempts began, by the file in which the tasks write."""
    return sum(word != "started" for words in shop.diary().values() for word in words)


def attempts_seen(app: str = "shop") -> int:
    """Attempts whose beginning or end is in the rows. The number of a row's newest attempt counts those before it, too,
    which nobody may have seen."""
    jobs = Job.every.filter(app=app)
    before = Attempt.objects.filter(job__in=jobs, number__lt=F("job__attempt"))
    before = before.exclude(started_at=None, error="Its worker never said how it ended.")
    return jobs.filter(attempt__gt=0).count() + before.count()


def row(task: str, app: str = "shop") -> Job | None:
    return Job.every.filter(app=app, task_id=task).first()


def state(task: str, app: str = "shop") -> str | None:
    found = row(task, app)
    return found and found.state


def wait_state(task: str, *states: str, seconds: float = 15) -> Job:
    try:
        wait_until(lambda: state(task) in states, seconds, f"{task} {states}")
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {state(task)}") from None
    return row(task)


class OwnRedis:
    """A Redis of its own, which a test may stop."""

    def __init__(self, servers: Servers, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = valkey.free_port()
        self.socket = folder / "redis.sock"
        binary = shutil.which("redis-server") or shutil.which("valkey-server")
        if binary is None:
            pytest.skip("there is no redis-server")
        self.command = [
            binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
            "--unixsocket", str(self.socket), *options,
        ]  # fmt: skip
        self.servers = servers
        self.start()

    def start(self) -> "OwnRedis":
        self.process = self.servers.keep(self.command)
        wait_until(self._answers, 10, "Redis")
        return self

    def _answers(self) -> bool:
        try:
            return self.client().ping()
        except redis.ConnectionError:
            return False

    def client(self, number: int = 0) -> redis.Redis:
        return redis.Redis(port=self.port, db=number, protocol=2)

    def url(self, number: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{number}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def held(self, number: int = 0) -> set[str]:
        """The tasks whose messages are there: in the queue, or delivered and not acknowledged."""
        client = self.client(number)
        waiting = [json.loads(raw) for raw in client.lrange("celery", 0, -1)]
        waiting += [json.loads(raw)[0] for raw in client.hvals("unacked")]
        return {message["headers"]["id"] for message in waiting}


def soon(true: Callable[[], object], seconds: float = 15, what: str = "it") -> Any:
    return wait_until(true, seconds, what)


def pause(seconds: float) -> None:
    """Only where time itself is what is tested."""
    time.sleep(seconds)


class OwnRabbit:
    """A RabbitMQ of its own, on loopback, from the distribution's package. A suite without it says so.

    ``unacknowledged_s``: for so long a message may be with a consumer that does not acknowledge it.
    """

    def __init__(self, servers: Servers, folder: Path, unacknowledged_s: float | None = None) -> None:
        milliseconds = int(1000 * (unacknowledged_s or 0))
        self.advanced = (
            f"[{{rabbit, [{{consumer_timeout, {milliseconds}}}, {{channel_tick_interval, 500}}]}}]."
            if unacknowledged_s
            else "[]."
        )
        binary = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        if not binary.exists():
            pytest.skip("there is no rabbitmq-server of the distribution: RabbitMQ is not tested")
        for number in range(3):  # a port that was free may be somebody else's when the server is up
            if self._start(servers, binary, folder / str(number)):
                return
        raise AssertionError("RabbitMQ does not start.")

    def _start(self, servers: Servers, binary: Path, folder: Path) -> bool:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port, self.names, distribution = valkey.free_port(), valkey.free_port(), valkey.free_port()
        (folder / "own.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users = none\n")
        (folder / "more.config").write_text(self.advanced)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "own"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "more"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.names),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        }
        epmd = shutil.which("epmd") or "epmd"
        self.daemon = servers.keep([epmd, "-port", str(self.names), "-address", "127.0.0.1"], env=environment)
        self.command, self.environment, self.servers = [str(binary)], environment, servers
        return self.start()

    def start(self) -> bool:
        self.process = self.servers.keep(self.command, env=self.environment)
        wait_until(lambda: self._answers() or self.process.poll() is not None, 60, "RabbitMQ")
        return self.process.poll() is None and self._answers()

    def stop(self) -> None:
        """As a restart of the machine's service does: durable queues and persistent messages stay."""
        self.process.terminate()
        self.process.wait(60)

    def _answers(self) -> bool:
        """Whether it is this very server that listens there, and it lets people in."""
        try:
            with Connection(self.url(), connect_timeout=2) as link:
                link.connect()
        except (OSError, AMQPError):
            return False
        return True

    def freeze(self, word: signal.Signals = signal.SIGSTOP) -> None:
        """Stop all its processes, or with SIGCONT let them go on. A process stops when each of its threads has."""
        server = psutil.Process(self.process.pid)
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            process.send_signal(word)
        if word == signal.SIGSTOP:
            threads = [psutil.Process(thread.id) for process in processes for thread in process.threads()]
            wait_until(lambda: all(each.status() == psutil.STATUS_STOPPED for each in threads), 10, "its stop")

    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

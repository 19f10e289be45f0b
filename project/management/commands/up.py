"""`manage.py up`: the whole product in one terminal. It prepares the home and the database, then hands over to the
supervisor; what is wrong with the machine or the settings is one clear sentence on stderr and exit 2.
"""

import errno
import fcntl
import json
import os
import socket
import sys
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser, SystemCheckError
from django.db import DatabaseError, connections

from project import env, first_admin, parts, valkey
from project.supervisor import GaveUp, Supervisor
from tasks.observe.observer import stop_watching


class StartRefused(Exception):
    """``up`` cannot start; the text is the sentence that says why."""


class Command(BaseCommand):
    help = "Runs Signalbox: database, Valkey, web server, worker and beat, until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
        parser.add_argument("--server", choices=("daphne", "uvicorn"), default="daphne", help="web server (daphne)")
        parser.add_argument("--concurrency", type=int, default=parts.default_concurrency(), help="jobs at a time")
        parser.add_argument("--demo", action="store_true", help="submit a steady stream of sample jobs")

    def handle(self, *, host: str, port: int, server: str, concurrency: int, demo: bool, **_) -> None:
        try:
            code = self.up(host, port, server, concurrency, demo)
        except (StartRefused, ImproperlyConfigured) as error:
            print(error, file=sys.stderr)
            code = 2
        sys.exit(code)

    def up(self, host: str, port: int, server: str, concurrency: int, demo: bool) -> int:
        home = Path(settings.SIGNALBOX_HOME)
        if demo:
            os.environ["SIGNALBOX_SAMPLES"] = "on"  # for the parts: these kinds are what it submits
        refuse_wrong_options(host, port, concurrency)
        refuse_failed_checks(self)
        prepare(home)
        with lock(home):
            refuse_taken_port(host, port)
            supervisor = Supervisor(changed=lambda now: write_state(home, now, url))
            shown = f"[{parts.reachable(host)}]" if ":" in host else parts.reachable(host)
            url = f"http://{shown}:{port}{settings.PREFIX}/"
            try:
                supervisor.say(f"Home is {home}; preparing the database.")
                prepare_database()
                if not settings.OWN_REDIS:
                    supervisor.start(parts.valkey(*embedded_valkey(home)))
                own = (parts.web(server, host, port, probe_host()), parts.worker(concurrency), parts.beat())
                watching = (parts.observe(),) if settings.SIGNALBOX_OBSERVE else ()
                for part in own + watching:
                    if not supervisor.stopping:
                        supervisor.start(part)
                if supervisor.wait_ready():
                    if demo:
                        supervisor.start(parts.demo())
                    supervisor.print(f"Signalbox is ready: {url}")
                    if token := first_admin.open_link(home):
                        supervisor.print(
                            f"Nobody can log in yet. Make the first admin within the hour: {url}start/{token}/"
                        )
                supervisor.run()
                supervisor.say("Stopping.")
                return 0
            except GaveUp as error:
                print(f"Signalbox stops: {error}", file=sys.stderr)
                return 1
            finally:
                supervisor.stop()
                (home / "up.json").unlink(missing_ok=True)


def refuse_wrong_options(host: str, port: int, concurrency: int) -> None:
    if not 1 <= port <= 65_535:
        raise StartRefused(f"--port is {port}, but it must be a number from 1 to 65535.")
    if not 1 <= concurrency <= 256:
        raise StartRefused(f"--concurrency is {concurrency}, but it must be a number from 1 to 256.")


def refuse_failed_checks(command: BaseCommand) -> None:
    try:
        command.check(display_num_errors=False)
    except SystemCheckError as error:
        raise StartRefused(str(error).strip()) from None


def prepare(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "static").mkdir(exist_ok=True)  # whitenoise warns of a missing one
        probe = home / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartRefused(f"SIGNALBOX_HOME cannot be written: {error}.") from None


class lock:
    """Holds the home for this process; the system lets go of it however the process ends."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __enter__(self) -> None:
        self.file = open(self.home / "up.lock", "a")  # open means locked
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            try:
                at = f" at {json.loads((self.home / 'up.json').read_text())['url']}"
            except (OSError, ValueError, KeyError):
                at = ""
            raise StartRefused(
                f"Signalbox runs already from {self.home}{at}; stop it first or set SIGNALBOX_HOME."
            ) from None

    def __exit__(self, *_) -> None:
        self.file.close()


def refuse_taken_port(host: str, port: int) -> None:
    match valkey.bind_error(host, port):
        case None:
            return
        case socket.gaierror() | OSError(errno=errno.EADDRNOTAVAIL):
            raise StartRefused(f"--host is {host!r}, but it is no address of this machine.")
        case OSError(errno=errno.EADDRINUSE):
            raise StartRefused(f"Port {port} of {host} is taken; stop the other program or choose another --port.")
        case error:
            raise StartRefused(f"Port {port} of {host} cannot be used ({error.strerror}); choose another --port.")


def embedded_valkey(home: Path) -> tuple[list[str], str]:
    try:
        return valkey.configure(home)
    except valkey.NotFound:
        raise StartRefused(
            "There is no embedded Valkey for this system; set REDIS_URL to a Redis or Valkey server."
        ) from None
    except OSError as error:
        raise StartRefused(f"SIGNALBOX_HOME cannot be written: {error}.") from None


def prepare_database() -> None:
    """Migrates and makes the admin that the environment names; no connection stays open."""
    try:
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        stop_watching(set(settings.SIGNALBOX_OBSERVE))
        first_admin.admin_from_environment()
        env.forget_first_admin()
    except DatabaseError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise StartRefused(f"The database cannot be used: {reason}.") from None
    finally:
        connections.close_all()


def probe_host() -> str:
    """A host name that the web server accepts."""
    name = next(iter(settings.ALLOWED_HOSTS), "localhost")
    return "localhost" if name == "*" else name.removeprefix(".")


def write_state(home: Path, supervisor: Supervisor, url: str) -> None:
    """``up.json``: what runs from this home, for people and scripts."""
    state = {"pid": os.getpid(), "url": url, "parts": {part.name: part.pid for part in supervisor.parts}}
    valkey.write_private(home / "up.json", json.dumps(state) + "\n")

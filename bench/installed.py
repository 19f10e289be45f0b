"""A Signalbox of a bench's own: fresh servers and a migrated database, gone when the bench ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import Servers

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def installed(postgres: bool, code: Path = ROOT, **more: str) -> Iterator[tuple[Servers, dict[str, str]]]:
    """The servers, and the environment in which the product's commands find them; ``more`` settings on top.

    ``code``: the folder of another version of the product.
    """
    servers = Servers()
    try:
        servers.start_valkey()
        environment = os.environ | servers.environment() | {"SIGNALBOX_HOME": str(servers.folder / "home")}
        environment |= {"DJANGO_SETTINGS_MODULE": "project.settings", "SIGNALBOX_LOG_LEVEL": "WARNING"} | more
        if postgres:
            servers.start_postgres()
            environment["DATABASE_URL"] = servers.new_database()
        if code != ROOT:
            environment["PYTHONPATH"] = str(code)
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=code, env=environment, check=True)
        yield servers, environment
    finally:
        servers.stop()

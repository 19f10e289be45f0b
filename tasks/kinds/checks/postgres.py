"""A PostgreSQL database dumped, the dump read through to its end, and put back: with PostgreSQL's own programs.

They must be at least as new as the server. Passwords go to them by the environment, never by the command line.
"""

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.db import connection

from tasks.engine import storable
from tasks.engine.report import Report
from tasks.kinds.asking import Refused

SUFFIX = "dump"
PLACES = "/usr/lib/postgresql/*/bin"  # where Debian keeps them, beside the PATH
VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
TABLE = " TABLE DATA public tasks_job "
POLL_S = 0.2
# A statement for each table, view, sequence and routine that is no part of an extension.
DROPS = """
SELECT format('DROP %s IF EXISTS %I.%I CASCADE',
       CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
       current_schema(), relname)
  FROM pg_class c WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
   AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i'))
UNION ALL
SELECT format('DROP ROUTINE IF EXISTS %I.%I(%s) CASCADE',
       current_schema(), proname, pg_get_function_identity_arguments(p.oid))
  FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace
   AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""


def copy(target: Path, report: Report) -> None:
    """A consistent picture of the whole database: pg_dump reads it in one transaction and locks out nobody's writes."""
    said = ["--format=custom", "--no-password", f"--file={target}"]
    run([program("pg_dump"), *said, *where()], report, lambda: target.stat().st_size)


def verify(path: Path, report: Report | None = None) -> None:
    """Refused unless the file is a whole dump of ours: its list is read, and then all of it."""
    restore = program("pg_restore")
    try:
        if TABLE not in run([restore, "--list", str(path)], report):
            raise Refused("broken-backup", f"{path.name} is no dump of Signalbox: it has no table tasks_job.")
        run([restore, f"--file={os.devnull}", str(path)], report)
    except Failed as error:
        raise Refused("broken-backup", f"{path.name} cannot be read: {error.sentence}") from None


def restore(path: Path) -> None:
    """What the schema holds makes room for the dump, in one transaction: all of it or nothing."""
    with connection.cursor() as cursor:
        cursor.execute(DROPS)
        drops = [row[0] for row in cursor.fetchall()]
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix="restore-", suffix=".part") as script:
        run([program("pg_restore"), "--no-owner", "--no-privileges", f"--file={script.name}", str(path)])
        drop = ["--command", "; ".join(drops)] if drops else []
        said = ["--no-psqlrc", "--quiet", "--no-password", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        command = [program("psql"), *said, *drop, f"--file={script.name}", *where()]
        connection.close()
        run(command)


class Failed(Refused):
    """One of PostgreSQL's programs ended badly."""


def run(command: list[str], report: Report | None = None, size: object = None) -> str:
    """Run a program to its end and return what it printed; a cancelled job takes it along."""
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        started(command, out, err) as process,
    ):
        while True:  # a cancel is seen before the first wait: a small dump is over within it
            if report:
                report.progress(size() if callable(size) else 0, 0)
            if (code := waited(process)) is not None:
                break
        out.seek(0)
        err.seek(0)
        if code:
            name, said = Path(command[0]).name, storable.text(err.read(2_000).strip(), 500)
            raise Failed("pg-program", f"{name} ended with {code}: {said or 'it did not say why'}")
        return out.read()


@contextlib.contextmanager
def started(command: list[str], out: object, err: object) -> Iterator[subprocess.Popen]:
    """Start the program; whatever happens inside the block, it has ended when the block ends."""
    _, more = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=os.environ | (more or {}), start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def waited(process: subprocess.Popen) -> int | None:
    try:
        return process.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return None


def where() -> list[str]:
    """The options that name the server and the database; Django's own, for psql, fit its siblings as well."""
    args, _ = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    return args[1:]


def program(name: str) -> str:
    """The oldest of these programs on this machine that is not older than the server. Refused if there is none."""
    connection.ensure_connection()
    server = connection.pg_version // 10_000
    found = sorted((version, path) for path in candidates(name) if (version := version_of(path)) is not None)
    for version, path in found:
        if version >= server:
            return str(path)
    wanted = f"install PostgreSQL's client programs of version {server} or newer"
    if not found:
        raise Refused("no-program", f"No {name} was found on the PATH: {wanted}.")
    raise Refused("old-program", f"{name} {found[-1][0]} is older than the server, which is {server}: {wanted}.")


def candidates(name: str) -> list[Path]:
    places = [Path(place) for place in os.get_exec_path()] + sorted(Path("/").glob(PLACES.lstrip("/")))
    return [path for place in places if os.access(path := place / name, os.X_OK) and path.is_file()]


def version_of(path: Path) -> int | None:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = VERSION.search(said)
    return int(found[1]) if found else None

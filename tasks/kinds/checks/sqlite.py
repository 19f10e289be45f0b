"""A SQLite database copied while others write to it, opened to see that the copy is whole, and put back."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from tasks.engine.report import Report
from tasks.kinds.asking import Refused

SUFFIX = "sqlite3"
PAGES = 2_000  # copied in one step, between two looks whether the job is still wanted
STEPS = 100_000  # of SQLite's machine, between two such looks while it reads
TABLE = "tasks_job"  # a database without it is none of ours


def copy(target: Path, report: Report) -> None:
    """SQLite's backup API inside a read transaction: without one, each foreign write would begin the copy again."""

    def progress(_: int, left: int, total: int) -> None:
        report.progress(total - left, total, "copying")

    with closing(opened(connection.settings_dict["NAME"])) as live, closing(sqlite3.connect(target)) as backup:
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_master").fetchone()
        live.backup(backup, pages=PAGES, progress=progress)
        backup.execute("PRAGMA journal_mode = DELETE")  # one file, which needs no others beside it


def verify(path: Path, report: Report | None = None) -> None:
    """Refused unless the file is a whole database of ours."""
    try:
        with closing(opened(path, "&immutable=1")) as backup:
            if report:
                backup.set_progress_handler(report.cancelled, STEPS)
            found = [row[0] for row in backup.execute("PRAGMA integrity_check(3)")]
            ours = backup.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", [TABLE]).fetchone()[0]
    except sqlite3.Error as error:
        if report:
            report.progress(0)  # raises if that was what interrupted it
        raise Refused("broken-backup", f"{path.name} cannot be read: {error}.") from None
    if found != ["ok"] or not ours:
        what = found[0] if found != ["ok"] else f"it has no table {TABLE}"
        raise Refused("broken-backup", f"{path.name} is not a whole database of Signalbox: {what}.")


def restore(path: Path) -> None:
    """Every page of the live database becomes the backup's, in one transaction."""
    name = connection.settings_dict["NAME"]
    connection.close()
    with closing(opened(path, "&immutable=1")) as backup, closing(sqlite3.connect(name, timeout=20)) as live:
        backup.backup(live)


def opened(path: str | Path, more: str = "") -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro{more}", uri=True, timeout=20, isolation_level=None)

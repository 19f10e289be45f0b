"""Backups: files in SIGNALBOX_HOME/backups that were opened and found whole before they got their names.

Owns names, rights and the number kept; how each database is copied, opened and put back is in the two modules
beside it. A file's name comes from its job's id alone, so a job that runs again makes the same backup again.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from uuid import UUID

from django.conf import settings
from django.db import connection

from tasks.engine.report import Report
from tasks.kinds.checks import postgres, sqlite

NAME = re.compile(r"signalbox-\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{12}\.(sqlite3|dump)")
UNFINISHED = ".part"


def folder() -> Path:
    place = settings.SIGNALBOX_HOME / "backups"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def database() -> ModuleType:
    return sqlite if connection.vendor == "sqlite" else postgres


def make(report: Report, job: UUID) -> Path:
    """One backup, whole; OSError or Refused else. What an earlier attempt left unfinished is swept away."""
    for left in folder().glob(f"*{UNFINISHED}"):
        left.unlink(missing_ok=True)
    with written(folder() / name_for(job)) as part:
        report.progress(0, 0, "copying")
        database().copy(part, report)
        report.progress(0, 0, "opening it")
        database().verify(part, report)
    return folder() / name_for(job)


@contextlib.contextmanager
def written(target: Path) -> Iterator[Path]:
    """A file that only its owner reads, and that gets its name when all went well and it is on the disk."""
    part = target.with_name(target.name + UNFINISHED)
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield part
        for path in (part, target.parent):
            opened = os.open(path, os.O_RDONLY)
            os.fsync(opened)
            os.close(opened)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def name_for(job: UUID) -> str:
    """The time is the one inside the job's id."""
    seconds, milliseconds = divmod(job.int >> 80, 1000)
    made = datetime.fromtimestamp(seconds, UTC)
    return f"signalbox-{made:%Y%m%dT%H%M%S}.{milliseconds:03}Z-{job.hex[-12:]}.{database().SUFFIX}"


def listed() -> list[Path]:
    """Our backups, oldest first. Other files in the folder are left alone."""
    return sorted(path for path in folder().iterdir() if NAME.fullmatch(path.name))


def delete_old(keep: int, made: Path) -> list[str]:
    """Delete all but the newest; never the one just made, even if the clock was wrong and others seem newer."""
    old = [path for path in listed()[:-keep] if path != made]
    for path in old:
        path.unlink(missing_ok=True)
    return [path.name for path in old]

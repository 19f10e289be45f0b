"""Keeps what Signalbox writes private: other users of the machine can neither enter its home nor read its files."""

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from project import startup

OTHERS = 0o077  # group and world


def begin() -> None:
    """From now on this process, and whatever it starts, makes files and folders for its own user only.

    Does nothing in another project's process, whose files belong to that project.
    """
    if startup.is_own_process:
        os.umask(OTHERS)


def tightened(path: Path, name: str) -> Path:
    """The path, with no rights for others; ImproperlyConfigured if they have some and that cannot be changed."""
    try:
        mode = path.stat().st_mode & 0o7777
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is {path}, which other users of this machine may open, and that cannot be changed "
            f"({error.strerror}): make it private to the user that Signalbox runs as."
        ) from None
    return path


def database(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a database; if it is a file, the file and what SQLite keeps beside it are tightened."""
    if settings["ENGINE"].endswith("sqlite3"):
        for ending in ("", "-wal", "-shm", "-journal"):
            if (file := Path(f"{settings['NAME']}{ending}")).exists():
                tightened(file, "The database")
    return settings

"""Folders below the roots that the operator allows: listed and read without following a single link.

Every step down is made from the folder above it and refuses links, so nobody who can write there leads us elsewhere.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from tasks.kinds.asking import Refused

FILES = 200_000
DEEPEST = 30
STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe must not block

# Bytes of a name that are no UTF-8 are half characters in Python, which no database stores: each has a stand-in of
# Unicode's private area.
STAND_INS = {0xDC00 + byte: 0xF700 + byte for byte in range(0x80, 0x100)}
MEANT = {stand_in: half for half, stand_in in STAND_INS.items()}


class FolderFile(NamedTuple):
    """A file of a folder; ``name`` is its path below that folder."""

    name: str
    bytes: int
    changed_ns: int


def allowed(folder: str) -> Path:
    """The folder as it really is; Refused unless it is below one of SIGNALBOX_IMAGE_ROOTS."""
    roots = [Path(root).resolve() for root in settings.SIGNALBOX_IMAGE_ROOTS]
    if not roots:
        raise Refused("no-roots", "Folders are not allowed here: SIGNALBOX_IMAGE_ROOTS is not set.")
    try:
        real = Path(folder).resolve(strict=True) if Path(folder).is_absolute() else None
    except (OSError, RuntimeError, ValueError):
        real = None
    # One sentence for all cases: it must not tell whether a folder elsewhere exists.
    if real is None or not any(real.is_relative_to(root) for root in roots) or not real.is_dir():
        shown = ", ".join(map(str, roots))
        raise Refused("not-allowed", f"Give the whole path of a folder below one of these: {shown}.")
    return real


def listed(folder: str) -> Iterator[FolderFile]:
    """Every plain file below the folder, in an order that does not change."""
    count = 0
    with descended(allowed(folder)) as top:
        for place, folders, names, fd in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            if place.count("/") > DEEPEST:
                raise Refused("too-deep", f"The folder nests more than {DEEPEST} folders.")
            folders.sort()  # in place: it is what the walk goes on with
            for name in sorted(names):
                try:
                    about = os.stat(name, dir_fd=fd, follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
                if stat.S_ISREG(about.st_mode):
                    count += 1
                    if count > FILES:
                        raise Refused("too-many-files", f"The folder has more than {FILES:,} files.")
                    path = os.path.normpath(os.path.join(place, name)).translate(STAND_INS)
                    yield FolderFile(path, about.st_size, about.st_mtime_ns)


def read(folder: str, name: str, most: int) -> bytes:
    """The content of one file, at most so much and a byte more. OSError if it is not there, or a link by now."""
    try:
        return _read(folder, name, most)
    except FileNotFoundError:
        if (other := name.translate(MEANT)) == name:
            raise
        return _read(folder, other, most)


def _read(folder: str, name: str, most: int) -> bytes:
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise OSError("a path that leads out of the folder")
    with descended(allowed(folder) / path.parent, below=allowed(folder)) as place:
        fd = os.open(path.name, READ, dir_fd=place)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError("not a plain file")
            return file.read(most + 1)


@contextmanager
def descended(folder: Path, below: Path | None = None) -> Iterator[int]:
    """The folder, opened step by step from the root of the file system, or from ``below``."""
    start = below or folder
    fd = os.open("/", STEP)
    try:
        for step in (*start.parts[1:], *folder.relative_to(start).parts):
            next_ = os.open(step, STEP, dir_fd=fd)
            os.close(fd)
            fd = next_
        yield fd
    finally:
        os.close(fd)

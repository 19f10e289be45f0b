"""The files of a collection, below SIGNALBOX_HOME: its archive, originals that wait, and thumbnails.

Every name is made of the collection's id and of what a file holds; no name that anybody gave is ever a path.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tasks.kinds.images.models import Collection


def keep_archive(collection: Collection, chunks: Iterable[bytes]) -> None:
    collection.home.mkdir(mode=0o700, parents=True)
    part = collection.archive.with_name("archive.part")
    with part.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    part.replace(collection.archive)


def original(collection: Collection, sha256: str) -> Path:
    """Where an image of an archive waits until it has been looked at."""
    return collection.home / "waiting" / sha256[:2] / sha256


def thumbnail(collection: Collection, sha256: str) -> Path:
    return collection.home / "thumbnails" / sha256[:2] / f"{sha256}.jpg"


def keep(collection: Collection, sha256: str, data: bytes) -> None:
    if not (place := original(collection, sha256)).exists():
        write(place, data)


def keep_thumbnail(collection: Collection, sha256: str, data: bytes) -> None:
    write(thumbnail(collection, sha256), data)


def forget_originals(collection: Collection) -> None:
    shutil.rmtree(collection.home / "waiting", ignore_errors=True)


def forget(collection: Collection) -> None:
    shutil.rmtree(collection.home, ignore_errors=True)


def write(place: Path, data: bytes) -> None:
    """Whole or not at all, whoever writes the same file at the same time."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.{os.urandom(8).hex()}.part")
    part.write_bytes(data)
    part.replace(place)

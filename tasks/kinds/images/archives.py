"""Uploaded archives, listed and read within bounds: zip, and tar plain or with gzip or bzip2.

Nothing is ever unpacked to a path that an archive names. Numbers, sizes and names are judged before anything is read,
and what is read is counted again. Knows no models.
"""

import bz2
import gzip
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from tasks.kinds.asking import Refused

MEMBERS = 50_000
MEMBER = 30_000_000  # bytes of one file
TOTAL = 8_000_000_000  # bytes of all files
RATIO, SPARE = 10, 50_000_000  # all files together are at most so many times the archive, and so many bytes more
NAME = 1_000  # characters
DIRECTORY = 8_000_000  # bytes of a zip's list of its files, which the library reads at once
HEADER = 64 * 1024  # bytes of one of a tar's notes about a file, which the library reads at once
PIECE = HEADER  # in which content is read
ZIP, GZIP, BZIP2 = (b"PK\x03\x04", b"PK\x05\x06"), b"\x1f\x8b", b"BZh"
OTHERS = (b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, OSError, EOFError, ValueError, KeyError, IndexError,
    NotImplementedError, RuntimeError, RecursionError, OverflowError, UnicodeError,
)  # fmt: skip


class Member(NamedTuple):
    """One file of an archive; ``place`` is for the reader that listed it."""

    name: str
    bytes: int
    place: int


class Archive:
    """An open archive: its files, and the content of each."""

    members: list[Member]

    def read(self, member: Member) -> bytes:
        """Refused if the archive is damaged there, or holds more than it says."""
        with translated():
            return self._read(member)

    def _read(self, member: Member) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Refused, with a named reason, if it is none, broken, or more than may be taken."""
    with path.open("rb") as file:
        with translated():
            archive = _opened(file, limit_for(os.fstat(file.fileno()).st_size))
        with closing(archive):
            yield archive


def glance(file: IO[bytes]) -> None:
    """What a look at the head, and a zip's own list, can tell at once. A tar is listed by the job: it takes long."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(512)
    file.seek(0)
    with translated():
        if head.startswith(ZIP):
            _opened(file, limit_for(size))  # not closed: the file is the caller's
        elif not head.startswith((GZIP, BZIP2)) and head[257:262] != b"ustar":
            raise _format()


def limit_for(size: int) -> int:
    """Images are compressed already: what unpacks to many times its size holds something else."""
    return min(TOTAL, SPARE + RATIO * size)


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk, not the archive
        raise Refused("broken-archive", "The archive is damaged.") from None


def _opened(file: IO[bytes], limit: int) -> Archive:
    head = file.read(8)
    file.seek(0)
    if head.startswith(ZIP):
        return Zip(file, limit)
    if head.startswith(GZIP):
        return Tar(gzip.GzipFile(fileobj=file), limit)
    if head.startswith(BZIP2):
        return Tar(bz2.BZ2File(file), limit)
    if head.startswith(OTHERS):
        raise _format()
    return Tar(file, limit)


class Zip(Archive):
    """A zip; only files stored or deflated."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        ending = zipfile._EndRecData(file)  # the very function that decides what the library reads below
        if not ending:
            raise Refused("broken-archive", "The archive is damaged.")
        if ending[zipfile._ECD_SIZE] > DIRECTORY or ending[zipfile._ECD_ENTRIES_TOTAL] > MEMBERS:
            raise _too_many()
        self._zip = zipfile.ZipFile(file)
        self._infos = self._zip.infolist()
        kept = []
        for place, info in enumerate(self._infos):
            check_name(info.filename)
            mode = info.external_attr >> 16
            if info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
                continue
            kept.append(Member(info.filename, info.file_size, place))
        self.members = checked(kept, limit)

    def _read(self, member: Member) -> bytes:
        info = self._infos[member.place]
        if info.flag_bits & 0x1:
            raise Refused("encrypted", "The archive is encrypted.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused("archive-format", "The zip uses a compression other than deflate.")
        with self._zip.open(info) as file:
            return whole(file, member)

    def close(self) -> None:
        self._zip.close()


class Tar(Archive):
    """A tar in which links, devices and sparse files count for nothing."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = CountingReader(file, limit)
        kept, seen = [], 0
        with tarfile.open(fileobj=self._file, mode="r:") as tar:
            while (info := tar.next()) is not None:
                tar.members = []  # the library would keep all of them, with all that they say
                seen += 1
                if seen > MEMBERS or sum(map(len, map(str, tar.pax_headers.values()))) > HEADER:
                    raise _too_many()
                check_name(info.name)
                if info.isreg() and not info.issparse():
                    kept.append(Member(info.name, info.size, info.offset_data))
                    checked(kept[-1:], limit)
        self.members = checked(kept, limit)

    def _read(self, member: Member) -> bytes:
        self._file.seek(member.place)
        return whole(self._file, member)

    def close(self) -> None:
        self._file.close()


class CountingReader(io.RawIOBase):
    """What tarfile reads from: nothing beyond the limit, and no header larger than one may be."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit = file, limit

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, place: int, whence: int = 0) -> int:
        """Forward in pieces, so that a file inside that claims to be huge is noticed on the way."""
        if whence != 0 or place > self._limit:
            raise _too_large()
        return self._file.seek(place)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER:
            raise _too_large()
        if self._file.tell() > self._limit:
            raise _too_large()
        return self._file.read(size)


def check_name(name: str) -> None:
    """Nothing is written to these paths; an archive that tries to leave its folder is refused all the same."""
    parts = name.replace("\\", "/").split("/")
    if len(name) > NAME or "\0" in name:
        raise Refused("bad-name", "The archive has a file whose name is too long or broken.")
    if name.startswith(("/", "\\")) or ".." in parts or (len(parts[0]) == 2 and parts[0][1] == ":"):
        raise Refused("path-escape", "The archive has a file whose path leads out of it.")


def checked(members: list[Member], limit: int) -> list[Member]:
    total = sum(member.bytes for member in members)
    if len(members) > MEMBERS:
        raise _too_many()
    if total > limit or any(member.bytes < 0 for member in members):
        raise _too_large()
    return members


def whole(file: IO[bytes], member: Member) -> bytes:
    """The content, in pieces, and no more than was announced."""
    if member.bytes > MEMBER:
        raise _too_large()
    kept, left = [], member.bytes
    while left and (piece := file.read(min(left, PIECE))):
        kept.append(piece)
        left -= len(piece)
    if left:
        raise Refused("broken-archive", "The archive is damaged.")
    return b"".join(kept)


def _too_many() -> Refused:
    return Refused("too-many-files", f"The archive has more than {MEMBERS:,} files, or too much to say about them.")


def _too_large() -> Refused:
    return Refused("archive-bomb", "Unpacked, the archive would be many times larger than an archive of images is.")


def _format() -> Refused:
    return Refused("archive-format", "Give a zip, or a tar that is plain or compressed with gzip or bzip2.")

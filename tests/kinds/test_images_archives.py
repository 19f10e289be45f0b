"""Archives and folders: read whole when they are well, refused with a name when they are hostile, never led astray."""

import bz2
import gzip
import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from tasks.kinds.asking import Refused
from tasks.kinds.images import archives, folders
from tests.support.pictures import laid_out, tarred, zipped
from tests.support.runs import MOST_MB, alone

FILES = {"a.jpg": b"one", "b/c.png": b"x" * 300_000, "empty.gif": b""}


def content(path: Path) -> dict[str, bytes]:
    with archives.opened(path) as archive:
        return {member.name: archive.read(member) for member in archive.members}


def refusal(data: bytes, tmp_path: Path) -> str:
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(Refused) as caught:
        content(tmp_path / "archive")
    assert caught.value.sentence.endswith(".")
    return caught.value.reason


@pytest.mark.parametrize(
    "data",
    [
        zipped(FILES),
        zipped(FILES, zipfile.ZIP_DEFLATED),
        tarred(FILES),
        tarred(FILES, "gz"),
        tarred(FILES, "bz2"),
        zipped({}),
    ],
    ids=["zip", "deflated", "tar", "tar.gz", "tar.bz2", "empty"],
)
def test_what_is_well_is_read_whole(data, tmp_path):
    (tmp_path / "archive").write_bytes(data)
    assert content(tmp_path / "archive") in (FILES, {})
    archives.glance(io.BytesIO(data))


def test_members_can_be_read_in_any_order(tmp_path):
    (tmp_path / "archive").write_bytes(tarred(FILES, "gz"))
    with archives.opened(tmp_path / "archive") as archive:
        assert {m.name: archive.read(m) for m in reversed(archive.members)} == FILES


def entry(name: str, kind: bytes, to: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:") as made:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, to
        made.addfile(info)
    return out.getvalue()


def test_links_and_devices_count_for_nothing(tmp_path):
    for kind, to in (
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "../x"),
        (tarfile.CHRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ):
        (tmp_path / "archive").write_bytes(entry("a.jpg", kind, to))
        assert content(tmp_path / "archive") == {}
    info = zipfile.ZipInfo("a.jpg")
    info.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(info, "/etc/passwd")
    (tmp_path / "archive").write_bytes(out.getvalue())
    assert content(tmp_path / "archive") == {}


def directory(count: int) -> bytes:
    """A zip that is nothing but a list of files that are not there."""
    one = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    return b"PK\x03\x04" + one * count + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(one) * count, 4, 0)


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def said_size(data: bytes, size: int) -> bytes:
    """The zip's own list says another size than there is."""
    at = data.index(b"PK\x01\x02")
    return data[: at + 24] + struct.pack("<L", size) + data[at + 28 :]


def flagged(data: bytes) -> bytes:
    """Marked as encrypted."""
    at = data.index(b"PK\x01\x02")
    return data[: at + 8] + b"\x01\x00" + data[at + 10 :]


def pax(size: int) -> bytes:
    info = tarfile.TarInfo("a.jpg")
    info.pax_headers = {"comment": "x" * size}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as made:
        made.addfile(info)
    return out.getvalue()


def claims(size: int) -> bytes:
    """A tar that says that a file of its is so large, and ends there."""
    info = tarfile.TarInfo("a.jpg")
    info.size = size
    return info.tobuf() + bytes(10_240)


@pytest.mark.long
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped({"../a.jpg": b"x"}), "path-escape"),
        (zipped({"a/../../b.jpg": b"x"}), "path-escape"),
        (zipped({"/etc/a.jpg": b"x"}), "path-escape"),
        (zipped({"..\\a.jpg": b"x"}), "path-escape"),
        (zipped({"C:/a.jpg": b"x"}), "path-escape"),
        (tarred({"../a.jpg": b"x"}), "path-escape"),
        (tarred({"/a.jpg": b"x"}, "gz"), "path-escape"),
        (entry("../../a", tarfile.SYMTYPE, "/etc"), "path-escape"),
        (zipped({"x" * 1001: b""}), "bad-name"),
        (lambda: zipped({"a.jpg": bytes(60_000_000)}, zipfile.ZIP_DEFLATED), "archive-bomb"),
        (lambda: tarred({f"{n}.jpg": bytes(10_000_000) for n in range(8)}, "gz"), "archive-bomb"),
        (claims(10**11), "archive-bomb"),
        (lambda: pax(200_000), "archive-bomb"),
        (lambda: directory(60_000), "too-many-files"),
        (lambda: directory(200_000), "too-many-files"),
        (said_size(zipped({"a.jpg": b"x" * 999}), 20_000), "broken-archive"),
        (said_size(zipped({"a.jpg": b"x" * 999}), 4_000_000_000), "archive-bomb"),
        (patched(zipped({"a.jpg": b"hello hello"}), b"hello hello", b"hello_hello"), "broken-archive"),
        (flagged(zipped({"a.jpg": b"x"})), "encrypted"),
        (zipped({"a.jpg": b"x"}, zipfile.ZIP_LZMA), "archive-format"),
        (zipped({"a.jpg": b"x"}, zipfile.ZIP_BZIP2), "archive-format"),
        (tarred(FILES, "xz"), "archive-format"),
        (tarred(FILES, "gz")[:-200], "broken-archive"),
        (tarred(FILES)[:2_000], "broken-archive"),
        (zipped(FILES)[:-30], "broken-archive"),
        (b"PK\x03\x04" + bytes(100), "broken-archive"),
        (b"hello", "broken-archive"),
        (bz2.compress(b"hello"), "broken-archive"),
    ],
)
def test_what_is_refused_has_a_name(data, reason, tmp_path):
    assert refusal(data() if callable(data) else data, tmp_path) == reason


def test_an_archive_is_glanced_at_where_it_is_given():
    for data in (b"hello" * 200, tarred(FILES, "xz"), zipped({"../a": b""}), directory(200_000), b""):
        with pytest.raises(Refused):
            archives.glance(io.BytesIO(data))


def nested_pax() -> bytes:
    one = tarfile.TarInfo("x").create_pax_header({"name": "x", "mode": 0, "uid": 0, "gid": 0, "size": 0, "mtime": 0, "chksum": 0, "type": b"x", "linkname": "", "uname": "", "gname": "", "devmajor": 0, "devminor": 0, "prefix": ""}, "utf-8")  # fmt: skip # noqa: E501
    header = one[:512]
    return gzip.compress(header * 20_000)


def global_pax(count: int) -> bytes:
    """So many notes that count for all files that follow."""
    made = b"".join(tarfile.TarInfo.create_pax_global_header({f"k{n}": "v" * 30_000}) for n in range(count))
    return gzip.compress(made + tarfile.TarInfo("a.jpg").tobuf() + bytes(10_240))


HOSTILE = {
    "many in a zip": lambda: directory(170_000),
    "a list beyond measure": lambda: directory(400_000),
    "forty megabytes in one": lambda: zipped({"a.jpg": bytes(40_000_000)}, zipfile.ZIP_DEFLATED),
    "many empty files": lambda: gzip.compress(tarfile.TarInfo("a.jpg").tobuf() * 120_000),
    "long notes": lambda: gzip.compress(b"".join(gzip.decompress(pax(60_000))[:61_952] for _ in range(2_000)), 1),
    "notes for all": lambda: global_pax(3_000),
    "notes without an end": nested_pax,
    "zeros without an end": lambda: gzip.compress(bytes(1_000_000_000), 1),
}
MEASURED = """
import pathlib
from tasks.kinds.asking import Refused
from tasks.kinds.images import archives
try:
    with archives.opened(pathlib.Path(sys.argv[1])) as archive:
        print("read", len(archive.members), sum(len(archive.read(m)) for m in archive.members if m.bytes <= 30_000_000))
except Refused as refused:
    print(refused.reason)
"""


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize("name", HOSTILE)
def test_no_archive_takes_more_memory_than_allowed(name, tmp_path, record_property):
    (tmp_path / "archive").write_bytes(HOSTILE[name]())
    said, peak = alone(MEASURED, str(tmp_path / "archive"), django=True)
    record_property("peak_mb", peak)
    assert peak <= MOST_MB, f"{name}: {peak} MB ({said})"


# --- folders ---------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path, settings) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    settings.SIGNALBOX_IMAGE_ROOTS = [place]
    return place


def test_a_folder_below_a_root_is_listed_and_read(root):
    laid_out(root / "trip", FILES)
    found = {file.name: file.bytes for file in folders.listed(str(root / "trip"))}
    assert found == {name: len(data) for name, data in FILES.items()}
    assert folders.read(str(root / "trip"), "b/c.png", 10**6) == FILES["b/c.png"]
    assert len(folders.read(str(root / "trip"), "b/c.png", 10)) == 11


@pytest.mark.parametrize(
    "folder", ["/", "/etc", "{root}/..", "{root}/../other", "{root}/nothing", "trip", "", "{root}/a.jpg", "\0"]
)
def test_no_other_folder_is_allowed_and_nothing_is_said_of_it(root, folder):
    (root.parent / "other").mkdir()
    laid_out(root, FILES)
    with pytest.raises(Refused) as caught:
        folders.allowed(folder.format(root=root))
    assert str(caught.value) == f"not-allowed: Give the whole path of a folder below one of these: {root}."


def test_without_roots_no_folder_is_allowed(settings, tmp_path):
    settings.SIGNALBOX_IMAGE_ROOTS = []
    with pytest.raises(Refused, match="no-roots"):
        folders.allowed(str(tmp_path))


def test_links_are_not_followed(root):
    outside = laid_out(root.parent / "outside", {"secret.jpg": b"secret"})
    laid_out(root / "trip", {"a.jpg": b"one"})
    os.symlink(outside / "secret.jpg", root / "trip/file.jpg")
    os.symlink(outside, root / "trip/folder")
    os.symlink(outside, root / "away")
    os.mkfifo(root / "trip/pipe.jpg")
    assert [file.name for file in folders.listed(str(root / "trip"))] == ["a.jpg"]
    with pytest.raises(Refused, match="not-allowed"):
        folders.allowed(str(root / "away"))
    for name in ("file.jpg", "folder/secret.jpg", "pipe.jpg", "../../outside/secret.jpg", "gone.jpg"):
        with pytest.raises((OSError, ValueError)):
            folders.read(str(root / "trip"), name, 100)


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(root):
    outside = laid_out(root.parent / "outside", {"a.jpg": b"secret"})
    laid_out(root / "trip/day", {"a.jpg": b"one"})
    assert folders.read(str(root / "trip"), "day/a.jpg", 100) == b"one"
    (root / "trip/day").rename(root / "trip/old")
    os.symlink(outside, root / "trip/day")
    with pytest.raises(OSError):
        folders.read(str(root / "trip"), "day/a.jpg", 100)

"""The plan of a run: every image of the source gets its row, references are looked at, and part jobs are queued.

Parts are queued while the plan goes on, so no process waits for it. All of it can be begun again at any point: rows are
known by what they hold, part jobs by their parent and number.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import NamedTuple

from django.db.models import Max
from django.utils import timezone

from tasks.engine import storable
from tasks.engine.report import Report
from tasks.engine.words import number_of
from tasks.kinds.images import archives, folders, looking, storing
from tasks.kinds.images.models import ALIKE, Collection, Image
from tasks.worker import children

PART = 50  # images
SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp"}
REFERENCES = {"reference", "references"}  # names of the folder of images that others are compared with
MOST_REFERENCES = 2_000


class SourceFile(NamedTuple):
    """One image file of a source, not yet read."""

    name: str
    bytes: int
    changed_ns: int

    @property
    def reference(self) -> bool:
        return bool(REFERENCES & {part.lower() for part in PurePosixPath(self.name).parts[:-1]})


def plan(report: Report, collection: Collection, run: uuid.UUID) -> dict[str, int]:
    """Give every image a row and every waiting row a part job. Returns what was found."""
    row = Collection.objects.filter(pk=collection.pk)
    row.update(run=run, finished_at=None)
    if collection.folder:  # it may hold other files by now; an archive stays what it is
        row.update(planned_at=None)
    if collection.folder or collection.planned_at is None:
        with source(collection, report) as files:
            done = Reading(report, collection, run).read(files)
    else:
        done = {"files": 0, "new": 0, "parts": begin_waiting(run, collection)}
    row.update(planned_at=timezone.now())
    finish(collection)
    return done


def begin_waiting(run: uuid.UUID, collection: Collection) -> int:
    """Queue the parts that an earlier run, or an earlier attempt of this one, left undone."""
    parts = sorted(set(collection.waiting().filter(reference=False).values_list("part", flat=True)))
    for part in parts:
        begin(run, collection, part)
    return len(parts)


def finish(collection: Collection) -> None:
    """If everything is done: mark the collection as done, and delete the originals."""
    if collection.finish():
        storing.forget_originals(collection)


class Reading:
    """One pass over a source: references first, so that whoever looks at an image later knows all of them."""

    def __init__(self, report: Report, collection: Collection, run: uuid.UUID) -> None:
        self.report, self.collection, self.run = report, collection, run
        rows = collection.images.only("sha256", "reference", "path", "bytes", "changed_ns", "completed_at")
        self.known: set[tuple[str, int, int]] = set()  # files of a folder that have not changed since
        self.done: set[str] = set()  # images that are counted already
        for row in rows.iterator():
            if row.changed_ns:
                self.known.add((row.path, row.bytes, row.changed_ns))
            if row.completed_at and not row.reference:
                self.done.add(row.sha256)
        self.part = collection.images.aggregate(last=Max("part"))["last"] or 0
        self.batch: list[Image] = []
        self.files = self.new = self.parts = 0

    def read(self, files: "Files") -> dict[str, int]:
        fresh = [self.look(image, data) for image, data in self.unknown(files, references=True)]
        if any(fresh):
            match_again(self.collection)
        self.parts = begin_waiting(self.run, self.collection)
        for image, data in self.unknown(files, references=False):
            if image.sha256 in self.done:
                continue
            if not self.collection.folder:
                storing.keep(self.collection, image.sha256, data)
            self.batch.append(image)
            if len(self.batch) == PART:
                self.close()
        if self.batch:
            self.close()
        return {"files": self.files, "new": self.new, "parts": self.parts}

    def unknown(self, files: "Files", references: bool) -> Iterator[tuple[Image, bytes]]:
        """The files that have to be read, with what they hold."""
        for found in files.all():
            if found.reference != references:
                continue
            self.files += 1
            self.report.progress(self.files, files.total, found.name[-200:])
            if (found.name, found.bytes, found.changed_ns) in self.known:
                continue
            data = files.read(found) if found.bytes <= looking.BYTES else None
            if data is None or len(data) > looking.BYTES:
                self.report.log(f"{found.name}: left out, or larger than {looking.BYTES:,} bytes.", "warning")
                continue
            image = Image(
                collection=self.collection,
                sha256=hashlib.sha256(data).hexdigest(),
                reference=references,
                path=storable.text(found.name[:1000], 1000),
                bytes=len(data),
                changed_ns=found.changed_ns,
            )
            yield image, data

    def close(self) -> None:
        """Give the gathered images their rows, and the rows their job. An image that has a row keeps its part."""
        self.part += 1
        for image in self.batch:
            image.part = self.part
        Image.objects.bulk_create(self.batch, ignore_conflicts=True)
        self.batch.clear()
        if kept := self.collection.images.filter(part=self.part).count():
            self.new += kept
            self.parts += 1
            begin(self.run, self.collection, self.part)

    def look(self, image: Image, data: bytes) -> bool:
        """References are few, and every part needs them: the plan looks at them itself. True if it is a new one."""
        references = self.collection.images.filter(reference=True)
        if references.filter(sha256=image.sha256).exists() or references.count() >= MOST_REFERENCES:
            return False
        try:
            seen = looking.look(data)
            image.format, image.width, image.height, image.hash = seen.format, seen.width, seen.height, seen.hash
            storing.keep_thumbnail(self.collection, image.sha256, seen.thumbnail)
        except looking.Unfit as unfit:
            image.problem = str(unfit)[:300]
        image.completed_at = timezone.now()
        Image.objects.bulk_create([image], ignore_conflicts=True)
        return not image.problem


class Files(NamedTuple):
    """The image files of a source; ``total`` is 0 where it is not known."""

    all: Callable[[], Iterable[SourceFile]]
    read: Callable[[SourceFile], bytes | None]
    total: int


@contextmanager
def source(collection: Collection, report: Report) -> Iterator[Files]:
    if folder := collection.folder:
        yield Files(
            lambda: (SourceFile(*file) for file in folders.listed(folder) if is_image(file.name)),
            lambda found: readable(folder, found.name),
            0,
        )
        return
    with archives.opened(collection.archive) as archive:
        members = {member.name: member for member in archive.members if is_image(member.name)}
        if skipped := len(archive.members) - len(members):
            report.log(f"Left out: {number_of(skipped, 'file')}, no images or with the name of another file.")
        found = [SourceFile(member.name, member.bytes, 0) for member in members.values()]
        yield Files(lambda: found, lambda one: archive.read(members[one.name]), len(found))


def readable(folder: str, name: str) -> bytes | None:
    try:
        return folders.read(folder, name, looking.BYTES)
    except OSError:  # gone, or not ours to read
        return None


def is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._") and "__MACOSX" not in path.parts


# --- references ------------------------------------------------------------------------------------------------


def references(collection: Collection) -> list[tuple[int, str]]:
    found = collection.images.filter(reference=True, problem="").order_by("pk")
    return list(found.values_list("pk", "hash"))


def nearest(hash_: str, among: list[tuple[int, str]]) -> dict[str, int | None]:
    """The columns that say which reference an image matches, and how far the nearest one is."""
    if not among:
        return {"match_id": None, "distance": None}
    far, pk = min((looking.distance(hash_, other), pk) for pk, other in among)
    return {"match_id": pk if far <= ALIKE else None, "distance": far}


def match_again(collection: Collection) -> None:
    """A new reference may be nearer to images that were compared before it was there."""
    among = references(collection)
    done = collection.images.filter(reference=False, completed_at__isnull=False, problem="")
    changed = []
    for image in done.only("hash", "match_id", "distance").iterator(chunk_size=1000):
        found = nearest(image.hash, among)
        if (image.match_id, image.distance) != (found["match_id"], found["distance"]):
            image.match_id, image.distance = found["match_id"], found["distance"]
            changed.append(image)
    Image.objects.bulk_update(changed, ["match", "distance"], batch_size=200)


# --- jobs ------------------------------------------------------------------------------------------------------


def part_uid(run: uuid.UUID, part: int) -> uuid.UUID:
    """The same run and number give the same job: version 7, with the run's time and a digest for its random bits."""
    digest = int.from_bytes(hashlib.sha256(f"{run}:{part}".encode()).digest()[:10])
    value = (run.int >> 80 << 80) | digest
    value = value & ~(0xF << 76) | 7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 2 << 62)


def begin(run: uuid.UUID, collection: Collection, part: int) -> None:
    """Queue the part's job, or queue it again if it was stopped."""
    params = {"collection": str(collection.uid), "part": part}
    children.begin_child("match_part", params, run, part_uid(run, part))

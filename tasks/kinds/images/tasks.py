"""match_images: compare every image of a collection with its reference images, on all cores.

Teaches three rules: split the work into jobs instead of waiting for it, count rows instead of keeping a counter, and
let the database say who was first.
"""

import hashlib
import time
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from tasks.access import actions
from tasks.engine.models import Job
from tasks.engine.report import Report, Stopped
from tasks.engine.uid import uuid7
from tasks.engine.words import number_of
from tasks.kinds.asking import Refused
from tasks.kinds.images import folders, looking, planning, storing
from tasks.kinds.images.models import Collection, Image
from tasks.kinds.sample import sample
from tasks.params.signature import Ref

FLUSH_S = 1.0  # between two writes of finished images
FLUSH = 20  # images
DEADLY = 2  # times that an image may have been begun in a process that died


class NotLookedAt(Exception):
    """An error of this program, not of the image."""


@sample(queue="images", serial_key="{collection}", soft_time_limit=3600, time_limit=3660)
def match_images(
    report: Report, collection: Annotated[str, Ref("images.Collection"), "The collection's id."]
) -> dict[str, Any]:
    """Compare each image of a collection with its reference images.

    The job plans and ends; jobs of kind match_part do the work, side by side. Stopped and run again, it goes on where
    it was.
    """
    found, run = collection_of(collection), UUID(report.job_id) if report.job_id else uuid7()
    try:
        done = planning.plan(report, found, run)
    except Stopped:
        stop_parts(run)
        raise
    report.log(
        f"{number_of(done['files'], 'image file')}, {done['new']:,} of them new, in {number_of(done['parts'], 'part')}."
    )
    return done


@sample(queue="images", quiet=True, serial_key="{collection}:{part}", soft_time_limit=3600, time_limit=3660)
def match_part(
    report: Report,
    collection: Annotated[str, Ref("images.Collection"), "The collection's id."],
    part: Annotated[int, range(1, 2**31), "The number that the plan gave to these images."],
) -> dict[str, int]:
    """Compare the images of one part of a collection. Jobs of match_images queue these."""
    return do_part(report, collection_of(collection), part)


def collection_of(uid: str) -> Collection:
    found = Collection.objects.filter(uid=uid).first()
    if found is None:
        raise Refused("no-such-collection", "The collection is not there any more.")
    return found


def stop_run(collection: Collection, by: Any = None) -> int:
    """Cancel the plan of the last run, and then its parts: a plan that goes on would queue more. How many jobs."""
    return _cancel(Job.objects.filter(uid=collection.run), by) + stop_parts(collection.run, by)


def remove(collection: Collection, by: Any) -> None:
    """Stop what runs, and delete the rows; the files go once it is certain that the rows are gone."""
    with transaction.atomic():
        stop_run(collection, by)
        transaction.on_commit(lambda: storing.forget(collection))
        collection.delete()


def stop_parts(run: UUID | None, by: Any = None) -> int:
    return _cancel(Job.objects.filter(parent=run, parent__isnull=False), by)


def _cancel(jobs: QuerySet[Job], by: Any) -> int:
    live = jobs.filter(state__in=Job.LIVE)
    return sum(actions.act_on_many("cancel", [job], by, "The run was stopped.") for job in live)


def do_part(report: Report, collection: Collection, part: int) -> dict[str, int]:
    """Look at each image of the part that nobody has counted yet. The last part finishes the collection."""
    among = planning.references(collection)
    images = list(collection.waiting().filter(part=part, reference=False).order_by("pk"))
    counted = 0
    done: list[tuple[Image, dict[str, Any]]] = []
    errors: list[Exception] = []  # of ours: they stop no other image, and fail the part in the end
    flushed = time.monotonic()
    most = FLUSH if report.attempt == 1 else 1  # after a death, each image has to show that it was not the one
    report.progress(0, len(images))
    try:
        for i, image in enumerate(images, 1):
            try:
                done.append((image, looked(report, collection, image, among)))
            except NotLookedAt as error:
                report.log(str(error), "error")
                errors.append(error)
            if len(done) >= most or time.monotonic() - flushed > FLUSH_S:
                counted += complete(collection, done)
                flushed = time.monotonic()
            report.progress(i, len(images), image.path[-200:])
    finally:
        counted += complete(collection, done)  # also when it was stopped: what was seen is seen
    planning.finish(collection)
    if errors:
        raise errors[0]
    return {"images": len(images), "counted": counted}


def looked(report: Report, collection: Collection, image: Image, among: list[tuple[int, str]]) -> dict[str, Any]:
    """The columns that say what was seen, or why nothing was."""
    if report.attempt > 1:  # an earlier attempt may have died of one of them: of which, shows who was begun last
        if image.tries >= DEADLY:
            return {"problem": "deadly: The process that looked at it died, again and again."}
        Image.objects.filter(pk=image.pk).update(tries=F("tries") + 1)
    try:
        seen = looking.look(content(collection, image))
    except looking.Unfit as unfit:
        return {"problem": str(unfit)[:300]}
    except Exception as error:  # nothing is wrong with the file: it waits for the next run
        raise NotLookedAt(f"{image.path} could not be looked at: {type(error).__name__}: {error}") from error
    storing.keep_thumbnail(collection, image.sha256, seen.thumbnail)
    found = planning.nearest(seen.hash, among)
    return {"format": seen.format, "width": seen.width, "height": seen.height, "hash": seen.hash, **found}


def content(collection: Collection, image: Image) -> bytes:
    """What was found when the plan was made. Unfit if it is not there, or not the same, any more."""
    try:
        if collection.folder:
            data = folders.read(collection.folder, image.path, looking.BYTES)
        else:
            data = storing.original(collection, image.sha256).read_bytes()
    except OSError:
        raise looking.Unfit("gone", "The file is not there any more.") from None
    if hashlib.sha256(data).hexdigest() != image.sha256:
        raise looking.Unfit("changed", "The file was changed after it was found.")
    return data


def complete(collection: Collection, done: list[tuple[Image, dict[str, Any]]]) -> int:
    """Count them, each unless somebody else has; what waited in a file of ours waits no longer."""
    counted = sum(image.complete(**columns) for image, columns in done)
    if not collection.folder:
        for image, _ in done:
            storing.original(collection, image.sha256).unlink(missing_ok=True)
    done.clear()
    return counted

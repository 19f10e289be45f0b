"""Collections over HTTP: the rows that match_images works on. Archives are uploaded on the page; folders named here."""

from typing import Any

from rest_framework import serializers as s

from tasks.api.base import Strict, Text
from tasks.api.problems import wrong
from tasks.api.rows import Rows, paths
from tasks.engine.models import instant
from tasks.kinds.asking import Refused
from tasks.kinds.images import folders
from tasks.kinds.images.models import Collection
from tasks.kinds.images.tasks import remove


class CollectionIn(Strict):
    """`folder`: the whole path of a folder on the server, below one of SIGNALBOX_IMAGE_ROOTS."""

    name = Text(max_length=200)
    folder = Text(max_length=1000)


class CollectionChange(Strict):
    name = Text(max_length=200)


class CollectionPut(CollectionChange):
    """`folder` may be named, as it is."""

    folder = Text(max_length=1000, required=False, allow_null=True)


class CollectionCounts(s.Serializer):
    total = s.IntegerField()
    done = s.IntegerField()
    matched = s.IntegerField()
    unfit = s.IntegerField(help_text="could not be compared")
    references = s.IntegerField()


class CollectionShape(s.Serializer):
    id = s.UUIDField()
    name = s.CharField()
    folder = s.CharField(allow_null=True)
    archive = s.CharField(allow_null=True, help_text="the name of the archive that was uploaded")
    owner = s.CharField(allow_null=True)
    counts = CollectionCounts(help_text="counted from the rows of images")
    run = s.UUIDField(allow_null=True, help_text="the job of the last run")
    created_at = s.DateTimeField()
    finished_at = s.DateTimeField(allow_null=True)


def to_dict(collection: Collection) -> dict[str, Any]:
    return {
        "id": str(collection.uid),
        "name": collection.name,
        "folder": collection.folder or None,
        "archive": collection.archive_name or None,
        "owner": collection.owner and collection.owner.get_username(),
        "counts": collection.counts(),
        "run": collection.run and str(collection.run),
        "created_at": instant(collection.created_at),
        "finished_at": instant(collection.finished_at),
    }


class CollectionRows(Rows):
    noun, see, edit = "collection", "see_rows", "change_rows"
    rows = Collection.objects.select_related("owner")
    shape = CollectionShape
    bodies = {"POST": CollectionIn, "PUT": CollectionPut, "PATCH": CollectionChange}
    descriptions = {
        "post": "Make a collection of a folder. "
        "Its images are compared when a `match_images` job with its id is submitted.",
        "put": "Rename it. Its folder and its images stay.",
        "patch": "Rename it.",
        "delete": "Delete it with its images' rows and files; what runs is stopped.",
    }

    def clean(self, given: dict[str, Any], collection: Collection | None = None) -> dict[str, Any]:
        if collection is None:
            try:
                return given | {"folder": str(folders.allowed(given["folder"]))}
            except Refused as refused:
                raise wrong(folder=refused.sentence) from None
        if given.pop("folder", None) not in (None, collection.folder):
            raise wrong(folder="The folder of a collection stays. Make another collection.")
        return given

    def write(self, collection: Collection | None, given: dict[str, Any]) -> Collection:
        if collection is None:
            return Collection.objects.create(owner=self.actor.user, **given)
        Collection.objects.filter(pk=collection.pk).update(**given)
        return collection

    def remove(self, collection: Collection) -> None:
        remove(collection, self.actor.user)

    def show(self, collection: Collection) -> dict[str, Any]:
        return to_dict(collection)


urlpatterns = paths(CollectionRows, "collections/")

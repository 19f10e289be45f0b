"""Collections over HTTP: the rows that match_images works on. Archives are uploaded on the page; folders named here."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem, wrong
from tasks.engine.models import instant
from tasks.kinds.asking import Refused
from tasks.kinds.images import folders, storing
from tasks.kinds.images.models import Collection
from tasks.kinds.images.tasks import stop_run


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


class CollectionPage(shapes.Page):
    results = CollectionShape(many=True)


def shown(collection: Collection) -> dict[str, Any]:
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


def collection_or_404(uid: UUID) -> Collection:
    found = Collection.objects.select_related("owner").filter(uid=uid).first()
    if found is None:
        raise Problem("not-found", "There is no such collection.")
    return found


class Collections(ResourceView):
    actions = {"GET": "see_rows", "POST": "change_rows"}

    @extend_schema(operation_id="list_collections", parameters=[LIMIT, CURSOR], responses=CollectionPage)
    def get(self, request: Any) -> Response:
        rows = Collection.objects.select_related("owner")
        return pagination.answer(request, "collections", rows, shown, self.asked(*pagination.PARAMETERS))

    @extend_schema(operation_id="create_collection", request=CollectionIn, responses={201: CollectionShape})
    def post(self, request: Any) -> Response:
        """Make a collection of a folder. Its images are compared when a `match_images` job with its id is submitted."""
        given = self.given(CollectionIn)
        try:
            given["folder"] = str(folders.allowed(given["folder"]))
        except Refused as refused:
            raise wrong(folder=refused.sentence) from None
        made = self.do(
            lambda row: f"collection {row.uid}", lambda: Collection.objects.create(owner=self.actor.user, **given)
        )
        answer = Response(shown(made), status=201)
        answer["Location"] = request.build_absolute_uri(f"{request.path}{made.uid}/")
        return answer


class OneCollection(ResourceView):
    actions = {"GET": "see_rows", **dict.fromkeys(("PUT", "PATCH", "DELETE"), "change_rows")}

    @extend_schema(operation_id="get_collection", responses=CollectionShape)
    def get(self, request: Any, uid: UUID) -> Response:
        self.asked()
        return Response(shown(collection_or_404(uid)))

    @extend_schema(operation_id="replace_collection", request=CollectionPut, responses=CollectionShape)
    def put(self, request: Any, uid: UUID) -> Response:
        """Rename it. Its folder and its images stay."""
        found, given = collection_or_404(uid), self.given(CollectionPut)
        if given.pop("folder", None) not in (None, found.folder):
            raise wrong(folder="The folder of a collection stays. Make another collection.")
        return self.change(found, given)

    @extend_schema(operation_id="change_collection", request=CollectionChange(partial=True), responses=CollectionShape)
    def patch(self, request: Any, uid: UUID) -> Response:
        """Rename it."""
        return self.change(collection_or_404(uid), self.given(CollectionChange, partial=True))

    def change(self, found: Collection, given: dict[str, Any]) -> Response:
        if given:
            self.do(f"collection {found.uid}", lambda: Collection.objects.filter(pk=found.pk).update(**given))
        return Response(shown(collection_or_404(found.uid)))

    @extend_schema(operation_id="delete_collection", responses={204: None})
    def delete(self, request: Any, uid: UUID) -> Response:
        """Delete it with its images' rows and files; what runs is stopped."""
        found = collection_or_404(uid)
        stop_run(found, self.actor.user)

        def delete() -> None:
            transaction.on_commit(lambda: storing.forget(found))
            found.delete()

        self.do(f"collection {uid}", delete)
        return Response(status=204)


urlpatterns = [
    path("collections/", Collections.as_view(), name="collections"),
    path("collections/<uuid:uid>/", OneCollection.as_view(), name="collection"),
]

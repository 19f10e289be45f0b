"""The pages of collections: counts from rows, images beside the references that they match, filling up live."""

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.generic import DetailView, ListView, View

from tasks.access import audit
from tasks.engine.models import Job
from tasks.engine.words import number_of
from tasks.kinds.images import storing
from tasks.kinds.images.forms import CollectionForm, RenameForm
from tasks.kinds.images.models import Collection, Image
from tasks.kinds.images.tasks import remove, stop_run
from tasks.web import upload_ticket
from tasks.web.pages import Allowed, submit_and_say
from tasks.web.rows import ChangeRow, DeleteRow, NewRow, RowAction, RowPage, newest

COLLECTIONS, IMAGES = 50, 48  # on one page
SHOWN = {
    "all": {},
    "matched": {"match__isnull": False},
    "unmatched": {"match__isnull": True, "problem": ""},
    "unfit": {"problem__gt": ""},
}


class CollectionPage(RowPage):
    here, noun = "collections", "collection"
    action = "see_rows"
    rights = {"may_change": "change_rows"}
    model = Collection


class CollectionList(CollectionPage, ListView):
    template_name = "kinds/images/list.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found, more = newest(self.request, Collection.objects.all(), COLLECTIONS)
        shown = [(collection, collection.counts()) for collection in found]
        return super().get_context_data(collections=shown, more=more, **context)


class CollectionDetail(CollectionPage, DetailView):
    template_name = "kinds/images/collection.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        collection = self.object
        show = self.request.GET.get("show", "all")
        found = list(self.images(SHOWN.get(show, {}))[: IMAGES + 1])
        more = f"show={show}&before={found[IMAGES - 1].sha256}" if len(found) > IMAGES else ""
        return super().get_context_data(
            counts=collection.counts(),
            days=collection.by("day", 14),
            hours=collection.by("hour", 24),
            images=found[:IMAGES],
            references=collection.images.filter(reference=True).order_by("path")[:IMAGES],
            show=show,
            shows=SHOWN,
            more=more,
            running=Job.objects.filter(parent=collection.run, state__in=Job.LIVE).exists()
            or Job.objects.filter(uid=collection.run, state__in=Job.LIVE).exists(),
            **context,
        )

    def images(self, wanted: dict[str, Any]) -> QuerySet[Image]:
        """Those that are completed, the newest first."""
        done = self.object.images.filter(reference=False, completed_at__isnull=False, **wanted)
        if before := self.request.GET.get("before"):
            last = get_object_or_404(done, sha256=before)
            done = done.filter(completed_at__lte=last.completed_at).exclude(
                completed_at=last.completed_at, id__gte=last.pk
            )
        return done.select_related("match").order_by("-completed_at", "-id")


class CollectionCreate(CollectionPage, NewRow):
    action = "change_rows"
    form_class = CollectionForm
    extra_context = {"heading": "Add a collection", "button": "Add collection and compare"}

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        answer = super().render_to_response(context, **options)
        upload_ticket.give(self.request, answer)
        return answer

    def form_valid(self, form: CollectionForm) -> HttpResponse:
        form.instance.owner = self.request.user
        answer = super().form_valid(form)
        said = "The collection was added; its images are being compared."
        submit_and_say(self.request, "match_images", said, collection=str(self.object.uid))
        return answer


class CollectionRename(CollectionPage, ChangeRow):
    action = "change_rows"
    form_class = RenameForm
    extra_context = {"heading": "Rename the collection", "button": "Rename it"}


class CollectionDelete(CollectionPage, DeleteRow):
    action = "change_rows"
    kept = "name"

    @property
    def warning(self) -> str:
        images = number_of(self.object.counts()["total"], "image")
        archive = " and the uploaded archive" if self.object.archive_name else ""
        return f"The results of its {images}{archive} are deleted too. Running jobs are stopped."

    def remove(self, collection: Collection) -> None:
        remove(collection, self.request.user)


class CollectionAction(RowAction):
    noun = "collection"
    action = "submit"
    rows = Collection.objects.all()


class Match(CollectionAction):
    def do(self, collection: Collection) -> None:
        said = "Comparing the remaining images."
        submit_and_say(self.request, "match_images", said, collection=str(collection.uid))


class Stop(CollectionAction):
    action = "cancel"

    def do(self, collection: Collection) -> str:
        uid = collection.run or collection.uid
        stopped = audit.do(self.request, "cancel", uid, lambda: stop_run(collection, self.request.user))
        return f"{stopped} jobs stopped. Compare again to continue."


class Thumbnail(Allowed, View):
    """A picture of our own making. The file that somebody uploaded is never sent to a browser."""

    action = "see_rows"

    def get(self, request: HttpRequest, uid: Any, sha256: str) -> HttpResponse:
        image = Image.objects.filter(collection__uid=uid, sha256=sha256).select_related("collection").first()
        try:
            if image is None:
                raise FileNotFoundError
            file = storing.thumbnail(image.collection, image.sha256).open("rb")
        except FileNotFoundError:
            raise Http404("There is no such picture.") from None
        answer = FileResponse(file, content_type="image/jpeg")
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Content-Disposition"] = "inline"
        answer["Cache-Control"] = "private, max-age=604800, immutable"  # its name is what it holds
        return answer

"""A search as a file; and bulk actions: a dry run that counts, or a job that does it."""

from typing import Any

from django.http import HttpResponseBase
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from tasks.access import actions
from tasks.access.permissions import visible
from tasks.api import shapes, versions
from tasks.api.base import Flag, Negotiation, ResourceView, Strict
from tasks.api.idempotency import IDEMPOTENCY, key_of
from tasks.api.operations import Operations
from tasks.api.problems import wrong
from tasks.engine.models import Job
from tasks.observe import asking
from tasks.search import bulk, export
from tasks.search.language import FILTERS, SearchError, is_argument
from tasks.search.parameters import SEARCH, query_of


class BulkIn(Strict):
    """`filter` has the names of the job list's parameters: `{"state": "failed", "since": "2h"}`."""

    action = serializers.ChoiceField(choices=sorted(bulk.ACTIONS))
    filter = serializers.DictField()
    dry_run = Flag(default=False, help_text="true: only count")


class ByFormat(Negotiation):
    """``?format=`` says what a file is; the Accept header of a link in a page does not count."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class Export(ResourceView):
    actions = {"GET": "see"}
    content_negotiation_class = ByFormat

    @extend_schema(
        operation_id="export_jobs",
        parameters=[
            OpenApiParameter("format", str, enum=list(export.TYPES), default="json", description="csv or json"),
            *SEARCH,
        ],
        responses={
            (200, "application/json"): shapes.ExportedJob(many=True),
            (200, "text/csv"): {"type": "string"},
        },
    )
    def get(self, request: Any) -> HttpResponseBase:
        """All jobs that match, newest first, as a file that is sent while it is read."""
        asked = self.asked("q", "format", *FILTERS, *filter(is_argument, request.query_params))
        form = asked.pop("format", ["json"])[-1]
        if form not in export.TYPES:
            raise wrong(format=f"Choose one of: {', '.join(export.TYPES)}.")
        return export.streamed(form, query_of(asked, self.actor.name), visible(self.actor, Job.every.all()))


def at(name: str) -> str:
    """Where in the body a filter is wrong: one of its members, or all of it."""
    return name if name == "filter" else f"filter.{name}"


COUNTED_OR_AGAIN = OpenApiResponse(
    PolymorphicProxySerializer("CountedOrJob", [shapes.Counted, shapes.JobSummary], resource_type_field_name=None),
    description="the count of a dry run, or the job that the same key has made before",
)

urlpatterns = Operations(path("jobs/export/", Export.as_view(), name="export"))


@urlpatterns.post(
    "bulk/", "bulk", {200: COUNTED_OR_AGAIN, 201: shapes.JobSummary}, BulkIn, IDEMPOTENCY, name="bulk",
)  # fmt: skip
def bulk_action(view: ResourceView, given: dict[str, Any]) -> Response:
    """Cancel, try again or take back all that matches. A dry run counts; otherwise a job does it, with progress.

    With `{"bulk": id}` the filter finds what that bulk action cancelled.
    """
    action = given["action"]
    try:
        filters = bulk.clean_filters(given["filter"])
        query = bulk.query_for(action, filters, view.actor.name)
    except SearchError as error:
        raise wrong(**{at(name): said for name, said in error.errors.items()}) from None
    key = key_of(view.request)
    if given["dry_run"]:
        found, exact = bulk.count(view.actor, action, query)
        return Response({"count": found, "exact": exact})
    asking.refuse_used_key(view.actor, key)
    job, created = actions.bulk(view.actor, action, filters, key=key)
    place = versions.link(view.request, "job", uid=job.uid)
    return Response(job.summary(), status=201 if created else 200, headers={"Location": place})

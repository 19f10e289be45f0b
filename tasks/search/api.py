"""Bulk actions: a dry run that counts, or a job that does it."""

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from tasks.access import actions
from tasks.api import shapes, versions
from tasks.api.base import Flag, ResourceView, Strict
from tasks.api.problems import wrong
from tasks.search import bulk
from tasks.search.language import SearchError


class BulkIn(Strict):
    """`filter` has the names of the job list's parameters: `{"state": "failed", "since": "2h"}`."""

    action = serializers.ChoiceField(choices=sorted(bulk.ACTIONS))
    filter = serializers.DictField()
    dry_run = Flag(default=False, help_text="true: only count")


class Bulk(ResourceView):
    actions = {"POST": "bulk"}

    @extend_schema(
        operation_id="bulk_action",
        request=BulkIn,
        responses={200: OpenApiResponse(shapes.Counted, description="dry run"), 201: shapes.JobSummary},
    )
    def post(self, request: Any) -> Response:
        """Cancel, try again or take back all that matches. A dry run counts; otherwise a job does it, with progress.

        With `{"bulk": id}` the filter finds what that bulk action cancelled.
        """
        given = self.given(BulkIn)
        action = given["action"]
        try:
            filters = bulk.clean_filters(given["filter"])
            query = bulk.query_for(action, filters, self.actor.name)
        except SearchError as error:
            raise wrong(**{at(name): said for name, said in error.errors.items()}) from None
        if given["dry_run"]:
            found, exact = bulk.count(self.actor, action, query)
            return Response({"count": found, "exact": exact})
        job = actions.bulk(self.actor, action, filters)
        place = versions.link(request, "job", uid=job.uid)
        return Response(job.summary(), status=201, headers={"Location": place})


def at(name: str) -> str:
    """Where in the body a filter is wrong: one of its members, or all of it."""
    return name if name == "filter" else f"filter.{name}"


urlpatterns = [
    path("bulk/", Bulk.as_view(), name="bulk"),
]

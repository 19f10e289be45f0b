"""Groups of failures over HTTP: listed, marked as handled, and the mark taken away.

Trying a whole group again is a bulk action: ``{"action": "retry", "filter": {"kind": …, "failure": key}}``.
"""

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.access.permissions import visible
from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text
from tasks.api.pagination import LIMIT
from tasks.api.problems import wrong
from tasks.engine.models import Job
from tasks.failures import groups


class FailureShape(s.Serializer):
    """Failed jobs of one kind whose errors differ only in numbers and names."""

    key = s.CharField()
    kind = s.CharField()
    error = s.CharField(help_text="of the newest")
    pattern = s.CharField(help_text="what is the same in all of them")
    count = s.IntegerField()
    first_at = s.DateTimeField()
    last_at = s.DateTimeField()
    last_job = s.UUIDField()
    handled_at = s.DateTimeField(allow_null=True, help_text="null too when it failed again since")
    handled_by = s.CharField(allow_null=True)


class FailureList(shapes.Page):
    results = FailureShape(many=True)
    looked = shapes.Looked()


class GroupIn(Strict):
    """A group, as `failures/` names it."""

    kind = Text(max_length=200)
    key = Text(max_length=64, allow_blank=True)


class HandledIn(GroupIn):
    """`until`: the `last_at` that was seen, so that a failure in this very moment is not overlooked."""

    until = s.DateTimeField(required=False)


class Failures(ResourceView):
    actions = {"GET": "see_rows"}

    @extend_schema(
        operation_id="list_failures",
        parameters=[
            OpenApiParameter("kind", str),
            OpenApiParameter("handled", str, enum=["true", "false"], description="none: both"),
            LIMIT,
        ],
        responses=FailureList,
    )
    def get(self, request: Any) -> Response:
        """Failed jobs in groups: one kind, errors that differ only in numbers and names. The newest group first."""
        asked = self.asked("kind", "handled", "limit")
        handled = asked.get("handled", [None])[-1]
        if handled not in (None, "true", "false"):
            raise wrong(handled="Choose one of: true, false.")
        jobs = visible(self.actor, Job.objects.all())
        found = groups.groups(jobs, asked.get("kind", [""])[-1], handled and handled == "true")
        shown = found.shown[: pagination.limit(asked)]
        return Response({"results": shown, "next": None, "previous": None, "looked": found.looked})


class HandleFailures(ResourceView):
    actions = {"POST": "change_rows"}
    form: type[GroupIn] = HandledIn

    @extend_schema(operation_id="handle_failures", request=HandledIn, responses=FailureShape)
    def post(self, request: Any) -> Response:
        """Mark a group as handled. When it fails again, it is open again."""
        given = self.given(self.form)
        jobs = visible(self.actor, Job.objects.all())
        group = groups.one(jobs, given["kind"], given["key"])
        self.do(f"failures of {group['kind']}", lambda: self.write(**given), key=given["key"], pattern=group["pattern"])
        return Response(groups.one(jobs, given["kind"], given["key"]))

    def write(self, **given: Any) -> None:
        groups.mark(by=self.actor.name, **given)


class ReopenFailures(HandleFailures):
    form = GroupIn

    @extend_schema(operation_id="reopen_failures", request=GroupIn, responses=FailureShape)
    def post(self, request: Any) -> Response:
        """Take the mark away."""
        return super().post(request)

    def write(self, **given: Any) -> None:
        groups.unmark(**given)


urlpatterns = [
    path("failures/", Failures.as_view(), name="failures"),
    path("failures/handle/", HandleFailures.as_view(), name="failures-handle"),
    path("failures/reopen/", ReopenFailures.as_view(), name="failures-reopen"),
]

"""Groups of failures over HTTP: listed, marked as handled, and the mark taken away.

Trying a whole group again is a bulk action: ``{"action": "retry", "filter": {"kind": …, "failure": key}}``.
"""

from datetime import timedelta
from typing import Any

from django.urls import path
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import Nothing, ResourceView, Strict, Text
from tasks.api.pagination import LIMIT
from tasks.api.problems import wrong
from tasks.engine.applications import ALL, OWN
from tasks.failures import groups
from tasks.observe import watched


class FailureShape(s.Serializer):
    """Failed jobs of one kind and one place in its code, whose errors differ only in ids, numbers and names."""

    id = s.CharField(help_text="what names the group in addresses")
    key = s.CharField()
    keys = s.ListField(child=s.CharField(allow_blank=True), help_text="its own key, and those of groups merged into it")
    kind = s.CharField()
    app = s.CharField(allow_null=True, help_text="the watched application, null for our own jobs")
    error = s.CharField(help_text="of the newest")
    pattern = s.CharField(help_text="what is the same in all of them")
    count = s.IntegerField()
    first_at = s.DateTimeField()
    last_at = s.DateTimeField()
    last_job = s.UUIDField()
    first_release = s.CharField(allow_null=True, help_text="of the code that the oldest of them ran")
    last_release = s.CharField(allow_null=True, help_text="and the newest")
    snoozed_until = s.DateTimeField(allow_null=True, help_text="null too when it failed again since")
    snoozed_by = s.CharField(allow_null=True)
    handled_at = s.DateTimeField(allow_null=True, help_text="null too when it failed again since")
    handled_by = s.CharField(allow_null=True)


class FailureList(shapes.Page):
    results = FailureShape(many=True)
    looked = shapes.Looked()


class GroupIn(Strict):
    """A group, as `failures/` names it."""

    kind = Text(max_length=200)
    key = Text(max_length=64, allow_blank=True)
    app = Text(max_length=32, required=False, help_text="of a watched application: its name")


class HandledIn(GroupIn):
    """`until`: the `last_at` that was seen, so that a failure in this very moment is not overlooked."""

    until = s.DateTimeField(required=False)


class Failures(ResourceView):
    actions = {"GET": "see_rows"}

    @extend_schema(
        operation_id="list_failures",
        parameters=[
            OpenApiParameter("kind", str),
            OpenApiParameter("app", str, description="a watched application; `*`: all; none: our own"),
            OpenApiParameter("handled", str, enum=["true", "false"], description="none: both"),
            LIMIT,
        ],
        responses=FailureList,
    )
    def get(self, request: Any) -> Response:
        """Failed jobs in groups: one kind, errors that differ only in numbers and names. The newest group first."""
        asked = self.asked("kind", "app", "handled", "limit")
        handled = asked.get("handled", [None])[-1]
        if handled not in (None, "true", "false"):
            raise wrong(handled="Choose one of: true, false.")
        apps = self.apps(asked.get("app", [OWN])[-1])
        found = [
            groups.groups(self.actor, asked.get("kind", [""])[-1], handled and handled == "true", app=app)
            for app in apps
        ]
        shown = groups.newest_first(found)[: pagination.limit(asked)]
        looked = min((each.looked for each in found), key=lambda each: (each["complete"], each["back_to"] or ""))
        return Response({"results": shown, "next": None, "previous": None, "looked": looked})

    def apps(self, asked: str) -> list[str]:
        names = watched.names()
        if asked not in (OWN, ALL, *names):
            raise wrong(app="No application of that name is watched.")
        return [OWN, *names] if asked == ALL else [asked]


class HandleFailures(ResourceView):
    actions = {"POST": "change_rows"}
    form: type[GroupIn] = HandledIn

    @extend_schema(operation_id="handle_failures", request=HandledIn, responses=FailureShape)
    def post(self, request: Any) -> Response:
        """Mark a group as handled. When it fails again, it is open again."""
        given = self.given(self.form)
        given["kind"] = name = groups.name_of(given.pop("app", None), given["kind"])
        group = groups.one(self.actor, name, given["key"])
        self.do(f"failures of {name}", lambda: self.write(**given), key=given["key"], pattern=group["pattern"])
        return Response(groups.one(self.actor, name, given["key"]))

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


class OneFailure(ResourceView):
    actions = {"GET": "see_rows"}

    @extend_schema(operation_id="get_failure", responses=FailureShape)
    def get(self, request: Any, group: str) -> Response:
        """One group, among the newest failures."""
        self.asked()
        return Response(groups.one(self.actor, *groups.read_id(group)))


class SnoozeFailuresIn(Strict):
    """`until`: a moment within a year. Without one, until it fails again, 30 days at most."""

    until = s.DateTimeField(required=False, allow_null=True)

    def validate_until(self, moment: Any) -> Any:
        if moment is not None and not timezone.now() < moment <= timezone.now() + timedelta(days=366):
            raise s.ValidationError(["Give a moment within the next year."])
        return moment


class SnoozeFailures(ResourceView):
    actions = {"POST": "change_rows"}

    @extend_schema(operation_id="snooze_failures", request=SnoozeFailuresIn, responses=FailureShape)
    def post(self, request: Any, group: str) -> Response:
        """Show a group as open only later. `reopen` ends it."""
        until = self.given(SnoozeFailuresIn).get("until")
        kind, key = groups.read_id(group)
        found = groups.one(self.actor, kind, key)
        seen = parse_datetime(found["last_at"])
        self.do(
            f"failures of {kind}",
            lambda: groups.snooze(kind, found["key"], self.actor.name, until, seen),
            key=key,
            snoozed=True,
        )
        return Response(groups.one(self.actor, kind, key))


class MergeIn(Strict):
    """`into`: the `id` of another group of the same kind."""

    into = Text(max_length=300)


class MergeFailures(ResourceView):
    actions = {"POST": "change_rows"}

    @extend_schema(operation_id="merge_failures", request=MergeIn, responses=FailureShape)
    def post(self, request: Any, group: str) -> Response:
        """Put a group into another one of its kind: they are counted, handled and tried again as one from now on."""
        into = self.given(MergeIn)["into"]
        (kind, key), (other, root) = groups.read_id(group), groups.read_id(into)
        groups.one(self.actor, kind, key)
        if kind != other:
            raise wrong(into="Groups of two kinds cannot be one.")
        groups.one(self.actor, kind, root)
        self.do(f"failures of {kind}", lambda: groups.merge(kind, key, root, self.actor.name), merged=key, into=root)
        return Response(groups.one(self.actor, kind, key))


class SplitFailures(ResourceView):
    actions = {"POST": "change_rows"}

    @extend_schema(operation_id="split_failures", request=Nothing, responses=FailureShape)
    def post(self, request: Any, group: str) -> Response:
        """Take apart what was merged into a group."""
        self.given(Nothing)
        kind, key = groups.read_id(group)
        groups.one(self.actor, kind, key)
        self.do(f"failures of {kind}", lambda: groups.split(kind, key), split=key)
        return Response(groups.one(self.actor, kind, key))


urlpatterns = [
    path("failures/<name:group>/snooze/", SnoozeFailures.as_view(), name="failures-snooze"),
    path("failures/<name:group>/merge/", MergeFailures.as_view(), name="failures-merge"),
    path("failures/<name:group>/split/", SplitFailures.as_view(), name="failures-split"),
    path("failures/", Failures.as_view(), name="failures"),
    path("failures/handle/", HandleFailures.as_view(), name="failures-handle"),
    path("failures/reopen/", ReopenFailures.as_view(), name="failures-reopen"),
    path("failures/<name:group>/", OneFailure.as_view(), name="failure"),
]

"""Groups of failures over HTTP: listed, marked as handled, and the mark taken away.

Trying a whole group again is a bulk action: ``{"action": "retry", "filter": {"kind": …, "failure": key}}``.
"""

from collections.abc import Callable
from datetime import timedelta
from operator import itemgetter
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s

from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import wrong
from tasks.failures import groups
from tasks.observe.api import APP, named


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


class SnoozeFailuresIn(Strict):
    """`until`: a moment within a year. Without one, until it fails again, 30 days at most."""

    until = s.DateTimeField(required=False, allow_null=True)

    def validate_until(self, moment: Any) -> Any:
        if moment is not None and not timezone.now() < moment <= timezone.now() + timedelta(days=366):
            raise s.ValidationError(["Give a moment within the next year."])
        return moment


class MergeIn(Strict):
    """`into`: the `id` of another group of the same kind."""

    into = Text(max_length=300)


urlpatterns = Operations()


@urlpatterns.post(
    "failures/<name:group>/snooze/", "change_rows", FailureShape, SnoozeFailuresIn, name="failures-snooze"
)
def snooze_failures(view: ResourceView, given: dict[str, Any], group: str) -> dict[str, Any]:
    """Show a group as open only later. `reopen` ends it."""
    kind, key = groups.read_id(group)
    found = groups.one(view.actor, kind, key)
    seen = parse_datetime(found["last_at"])
    view.do(
        f"failures of {kind}",
        lambda: groups.snooze(kind, found["key"], view.actor.name, given.get("until"), seen),
        key=key,
        snoozed=True,
    )
    return groups.one(view.actor, kind, key)


@urlpatterns.post("failures/<name:group>/merge/", "change_rows", FailureShape, MergeIn, name="failures-merge")
def merge_failures(view: ResourceView, given: dict[str, Any], group: str) -> dict[str, Any]:
    """Put a group into another one of its kind: they are counted, handled and tried again as one from now on."""
    (kind, key), (other, root) = groups.read_id(group), groups.read_id(given["into"])
    groups.one(view.actor, kind, key)
    if kind != other:
        raise wrong(into="Groups of two kinds cannot be one.")
    groups.one(view.actor, kind, root)
    view.do(f"failures of {kind}", lambda: groups.merge(kind, key, root, view.actor.name), merged=key, into=root)
    return groups.one(view.actor, kind, key)


@urlpatterns.post("failures/<name:group>/split/", "change_rows", FailureShape, name="failures-split")
def split_failures(view: ResourceView, given: dict[str, Any], group: str) -> dict[str, Any]:
    """Take apart what was merged into a group."""
    kind, key = groups.read_id(group)
    groups.one(view.actor, kind, key)
    view.do(f"failures of {kind}", lambda: groups.split(kind, key), split=key)
    return groups.one(view.actor, kind, key)


@urlpatterns.get(
    "failures/", "see_rows", FailureList,
    OpenApiParameter("kind", str),
    APP,
    OpenApiParameter("handled", str, enum=["true", "false"], description="none: both"),
    LIMIT, CURSOR, name="failures",
)  # fmt: skip
def list_failures(view: ResourceView, asked: dict[str, list[str]]) -> dict[str, Any]:
    """Failed jobs in groups: one kind, errors that differ only in numbers and names. The newest group first."""
    kind, handled = asked.get("kind", [""])[-1], asked.get("handled", [None])[-1]
    apps = named(asked)
    at, most = pagination.place(asked, "failures"), pagination.limit(asked)

    def cut(rows: list[Any]) -> list[Any]:
        return pagination.beyond(rows, at, most, groups.place_of, falling=True)

    found = [groups.groups(view.actor, kind, handled and handled == "true", app=app, cut=cut) for app in apps]
    shown = [group for each in found for group in each.shown]
    page = pagination.listed(
        view.request, "failures", shown, asked, itemgetter("last_at", "id"), falling=True, default=most
    )
    looked = min((each.looked for each in found), key=lambda each: (each["complete"], each["back_to"] or ""))
    return page | {"looked": looked}


@urlpatterns.post("failures/handle/", "change_rows", FailureShape, HandledIn, name="failures-handle")
def handle_failures(view: ResourceView, given: dict[str, Any]) -> dict[str, Any]:
    """Mark a group as handled. When it fails again, it is open again."""
    return write(view, given, lambda: groups.mark(by=view.actor.name, **given))


@urlpatterns.post("failures/reopen/", "change_rows", FailureShape, GroupIn, name="failures-reopen")
def reopen_failures(view: ResourceView, given: dict[str, Any]) -> dict[str, Any]:
    """Take the mark away."""
    return write(view, given, lambda: groups.unmark(**given))


def write(view: ResourceView, given: dict[str, Any], call: Callable[[], Any]) -> dict[str, Any]:
    given["kind"] = name = groups.name_of(given.pop("app", None), given["kind"])
    group = groups.one(view.actor, name, given["key"])
    view.do(f"failures of {name}", call, key=given["key"], pattern=group["pattern"])
    return groups.one(view.actor, name, given["key"])


@urlpatterns.get("failures/<name:group>/", "see_rows", FailureShape, name="failure")
def get_failure(view: ResourceView, asked: dict[str, list[str]], group: str) -> dict[str, Any]:
    """One group, among the newest failures."""
    return groups.one(view.actor, *groups.read_id(group))

"""Alerts and their rules over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.alerts import evaluate, findings, rules
from tasks.alerts.models import Alert, Rule, Watch
from tasks.api import pagination, shapes
from tasks.api.base import Flag, Id, ResourceView, Strict, Text, Whole, find
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.rows import Rows, paths
from tasks.channels.models import Channel


class AlertShape(s.Serializer):
    id = s.UUIDField()
    rule = s.UUIDField(allow_null=True)
    about = s.ChoiceField(choices=[*Watch.values, findings.WEBHOOK])
    subject = s.CharField()
    sentence = s.CharField(help_text="with the figure of now")
    figure = s.FloatField(allow_null=True, help_text="failures or seconds; null: there is none")
    snoozed_until = s.DateTimeField(allow_null=True)
    opened_at = s.DateTimeField()
    closed_at = s.DateTimeField(allow_null=True)
    dismissed_by = s.CharField(allow_null=True)


class Clock(s.TimeField):
    """A wall clock time, such as 22:00."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or len(data) > 20:
            self.fail("invalid", format="HH:MM")
        return super().to_internal_value(data)


class Zone(Text):
    """The name of a time zone, such as Europe/Berlin."""

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in rules.zones():
            raise s.ValidationError([f"There is no time zone named {name!r}."])
        return name


class SnoozeIn(Strict):
    """For how long; 0 ends it."""

    minutes = Whole(min_value=0, max_value=43_200, default=60)


class RuleIn(Strict):
    """`failures` reads kind, times, minutes; `waiting` queue, seconds; `schedule` schedule, seconds. Empty: each.

    `channels` are ids; lengths of time are in seconds; quiet hours are wall clock times of `quiet_zone`.
    """

    watch = s.ChoiceField(choices=Watch.values)
    kind = Text(max_length=200, default="", allow_blank=True)
    queue = Text(max_length=100, default="", allow_blank=True)
    schedule = Id(default=None, allow_null=True)
    apps = s.ListField(child=shapes.AppName(), default=list, max_length=50)
    times = Whole(min_value=0, max_value=1_000_000, default=5)
    minutes = Whole(min_value=1, max_value=10_080, default=10)
    seconds = Whole(min_value=1, max_value=604_800, default=60)
    enabled = Flag(default=True)
    for_s = Whole(min_value=0, max_value=604_800, default=0)
    close_at = Whole(min_value=0, max_value=1_000_000, default=None, allow_null=True)
    close_after_s = Whole(min_value=0, max_value=604_800, default=0)
    channels = s.ListField(child=Id(), default=list, max_length=20)
    repeat_s = Whole(min_value=0, max_value=2_592_000, default=0)
    group_s = Whole(min_value=0, max_value=604_800, default=0)
    quiet_from = Clock(default=None, allow_null=True)
    quiet_until = Clock(default=None, allow_null=True)
    quiet_zone = Zone(max_length=64, default="UTC")
    muted = Flag(default=False)

    def validate_channels(self, uids: list[UUID]) -> list[Channel]:
        found = {channel.uid: channel for channel in Channel.objects.filter(uid__in=uids)}
        if missing := [uid for uid in uids if uid not in found]:
            raise s.ValidationError([f"There is no channel {missing[0]}."])
        return list(found.values())


class RuleShape(s.Serializer):
    id = s.UUIDField()
    watch = s.ChoiceField(choices=Watch.values)
    kind = s.CharField(allow_blank=True)
    queue = s.CharField(allow_blank=True)
    schedule = s.UUIDField(allow_null=True)
    apps = s.ListField(
        child=s.CharField(), help_text="whose jobs: names of watched applications, `own`, `*`; empty: our own"
    )
    times = s.IntegerField()
    minutes = s.IntegerField()
    seconds = s.IntegerField()
    enabled = s.BooleanField()
    for_s = s.IntegerField()
    close_at = s.IntegerField(allow_null=True)
    close_after_s = s.IntegerField()
    channels = s.ListField(child=s.UUIDField())
    repeat_s = s.IntegerField()
    group_s = s.IntegerField()
    quiet_from = s.CharField(allow_null=True)
    quiet_until = s.CharField(allow_null=True)
    quiet_zone = s.CharField()
    muted = s.BooleanField()
    in_words = s.CharField()
    owner = s.CharField(allow_null=True)
    created_at = s.DateTimeField()


class RuleRows(Rows):
    noun, see, edit = "alert rule", "see_rows", "change_rows"
    rows = Rule.objects.select_related("owner").prefetch_related("channels")
    shape, bodies = RuleShape, {"POST": RuleIn}
    descriptions = {"delete": "Delete a rule. Its open alerts close."}

    def write(self, rule: Rule | None, given: dict[str, Any]) -> Rule:
        return rules.write(rule or Rule(owner=self.actor.user), given)


urlpatterns = Operations()


@urlpatterns.get(
    "alerts/", "see_rows", shapes.page(AlertShape), OpenApiParameter("open", str, enum=["true", "false"]),
    LIMIT, CURSOR, name="alerts",
)  # fmt: skip
def list_alerts(view: ResourceView, asked: dict[str, list[str]]) -> Response:
    """Open and past alerts, the newest first."""
    rows = Alert.objects.select_related("rule")
    if "open" in asked:
        rows = rows.filter(closed_at__isnull=asked["open"][-1] == "true")
    return pagination.answer(view.request, "alerts", rows, Alert.to_dict, asked)


@urlpatterns.post("alerts/<uuid:uid>/dismiss/", "change_rows", AlertShape, name="alert-dismiss")
def dismiss_alert(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """Take it from the pages; it closes when it is over."""
    alert = find(Alert.objects.select_related("rule"), "alert", uid=uid)
    view.do(f"alert {uid}", lambda: evaluate.dismiss(alert, view.actor.name))
    alert.refresh_from_db()
    return alert.to_dict()


@urlpatterns.post("alerts/<uuid:uid>/snooze/", "change_rows", AlertShape, SnoozeIn, name="alert-snooze")
def snooze_alert(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """Take it from the pages, and send no message about it, for some minutes."""
    alert = find(Alert.objects.select_related("rule"), "alert", uid=uid)
    view.do(f"alert {uid}", lambda: evaluate.snooze(alert, given["minutes"]), **given)
    alert.refresh_from_db()
    return alert.to_dict()


urlpatterns += paths(RuleRows, "alerts/rules/")

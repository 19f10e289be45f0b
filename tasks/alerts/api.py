"""Alerts and their rules over HTTP."""

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.alerts import evaluate
from tasks.alerts.models import Alert, Rule, Watch
from tasks.api import pagination, shapes
from tasks.api.base import Flag, Id, Nothing, ResourceView, Strict, Text, Whole
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem, wrong


class AlertShape(s.Serializer):
    id = s.UUIDField()
    rule = s.UUIDField(allow_null=True)
    about = s.ChoiceField(choices=[*Watch.values, evaluate.WEBHOOK])
    subject = s.CharField()
    sentence = s.CharField()
    opened_at = s.DateTimeField()
    closed_at = s.DateTimeField(allow_null=True)
    dismissed_by = s.CharField(allow_null=True)


class AlertPage(shapes.Page):
    results = AlertShape(many=True)


class RuleIn(Strict):
    """`failures` reads kind, times, minutes; `waiting` queue, seconds; `schedule` schedule, seconds. Empty: each."""

    watch = s.ChoiceField(choices=Watch.values)
    kind = Text(max_length=200, default="", allow_blank=True)
    queue = Text(max_length=100, default="", allow_blank=True)
    schedule = Id(default=None, allow_null=True)
    times = Whole(min_value=0, max_value=1_000_000, default=5)
    minutes = Whole(min_value=1, max_value=10_080, default=10)
    seconds = Whole(min_value=1, max_value=604_800, default=60)
    enabled = Flag(default=True)


class RuleShape(s.Serializer):
    id = s.UUIDField()
    watch = s.ChoiceField(choices=Watch.values)
    kind = s.CharField(allow_blank=True)
    queue = s.CharField(allow_blank=True)
    schedule = s.UUIDField(allow_null=True)
    times = s.IntegerField()
    minutes = s.IntegerField()
    seconds = s.IntegerField()
    enabled = s.BooleanField()
    in_words = s.CharField()
    owner = s.CharField(allow_null=True)
    created_at = s.DateTimeField()


class RulePage(shapes.Page):
    results = RuleShape(many=True)


def rule_or_404(uid: UUID) -> Rule:
    found = Rule.objects.select_related("owner").filter(uid=uid).first()
    if found is None:
        raise Problem("not-found", "There is no such rule.")
    return found


class Alerts(ResourceView):
    actions = {"GET": "see_rows"}

    @extend_schema(
        operation_id="list_alerts",
        parameters=[OpenApiParameter("open", str, enum=["true", "false"]), LIMIT, CURSOR],
        responses=AlertPage,
    )
    def get(self, request: Any) -> Response:
        """Open and past alerts, the newest first."""
        asked = self.asked("open", *pagination.PARAMETERS)
        rows = Alert.objects.select_related("rule")
        if "open" in asked:
            if asked["open"][-1] not in ("true", "false"):
                raise wrong(open="Choose one of: true, false.")
            rows = rows.filter(closed_at__isnull=asked["open"][-1] == "true")
        return pagination.answer(request, "alerts", rows, Alert.to_dict, asked)


class DismissAlert(ResourceView):
    actions = {"POST": "change_rows"}

    @extend_schema(operation_id="dismiss_alert", request=Nothing, responses=AlertShape)
    def post(self, request: Any, uid: UUID) -> Response:
        """Take it from the pages; it closes when it is over."""
        self.given(Nothing)
        alert = Alert.objects.select_related("rule").filter(uid=uid).first()
        if alert is None:
            raise Problem("not-found", "There is no such alert.")
        self.do(f"alert {uid}", lambda: evaluate.dismiss(alert, self.actor.name))
        alert.refresh_from_db()
        return Response(alert.to_dict())


class Rules(ResourceView):
    actions = {"GET": "see_rows", "POST": "change_rows"}

    @extend_schema(operation_id="list_alert_rules", parameters=[LIMIT, CURSOR], responses=RulePage)
    def get(self, request: Any) -> Response:
        rows = Rule.objects.select_related("owner")
        return pagination.answer(request, "alert-rules", rows, Rule.to_dict, self.asked(*pagination.PARAMETERS))

    @extend_schema(operation_id="create_alert_rule", request=RuleIn, responses={201: RuleShape})
    def post(self, request: Any) -> Response:
        given = self.given(RuleIn)
        owner = self.actor.user
        made = self.do(lambda rule: f"alert rule {rule.uid}", lambda: Rule.objects.create(owner=owner, **given))
        answer = Response(made.to_dict(), status=201)
        answer["Location"] = request.build_absolute_uri(f"{request.path}{made.uid}/")
        return answer


class OneRule(ResourceView):
    actions = {"GET": "see_rows", **dict.fromkeys(("PUT", "PATCH", "DELETE"), "change_rows")}

    @extend_schema(operation_id="get_alert_rule", responses=RuleShape)
    def get(self, request: Any, uid: UUID) -> Response:
        self.asked()
        return Response(rule_or_404(uid).to_dict())

    @extend_schema(operation_id="replace_alert_rule", request=RuleIn, responses=RuleShape)
    def put(self, request: Any, uid: UUID) -> Response:
        """Replace it: what is left out is as in a new rule."""
        return self.change(rule_or_404(uid), self.given(RuleIn))

    @extend_schema(operation_id="change_alert_rule", request=RuleIn(partial=True), responses=RuleShape)
    def patch(self, request: Any, uid: UUID) -> Response:
        """Change what is given."""
        return self.change(rule_or_404(uid), self.given(RuleIn, partial=True))

    def change(self, rule: Rule, given: dict[str, Any]) -> Response:
        for name, value in given.items():
            setattr(rule, name, value)
        self.do(f"alert rule {rule.uid}", lambda: rule.save(update_fields=[*given]), changed=sorted(given))
        return Response(rule_or_404(rule.uid).to_dict())

    @extend_schema(operation_id="delete_alert_rule", responses={204: None})
    def delete(self, request: Any, uid: UUID) -> Response:
        """Delete a rule. Its open alerts close."""
        self.do(f"alert rule {uid}", rule_or_404(uid).delete)
        return Response(status=204)


urlpatterns = [
    path("alerts/", Alerts.as_view(), name="alerts"),
    path("alerts/<uuid:uid>/dismiss/", DismissAlert.as_view(), name="alert-dismiss"),
    path("alerts/rules/", Rules.as_view(), name="alert-rules"),
    path("alerts/rules/<uuid:uid>/", OneRule.as_view(), name="alert-rule"),
]

"""Kinds; and one of them over a period: counts, rate of failures, quantiles of waiting and running, bar by bar."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s

from tasks.api import pagination, shapes
from tasks.api.base import ResourceView
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT_OF_ALL
from tasks.api.problems import Problem
from tasks.engine import registry
from tasks.queries import series, stats


class Totals(s.Serializer):
    succeeded = s.IntegerField()
    failed_attempts = s.IntegerField(
        help_text="how often a job ended as failed; one that is tried again may do so twice"
    )
    cancelled = s.IntegerField()


class Quantiles(s.Serializer):
    wait_p50_s = s.FloatField(allow_null=True)
    wait_p95_s = s.FloatField(allow_null=True)
    run_p50_s = s.FloatField(allow_null=True)
    run_p95_s = s.FloatField(allow_null=True)


class TimedBucket(shapes.Bucket, Quantiles):
    """What ended in one bar, and how long it waited and ran."""


class Bin(s.Serializer):
    up_to_s = s.FloatField(allow_null=True, help_text="null: longer than all others")
    waiting = s.IntegerField()
    running = s.IntegerField()


class KindDetail(shapes.KindShape, Quantiles):
    """A kind, and what became of its jobs in a period."""

    totals = Totals()
    failure_rate = s.FloatField(allow_null=True, help_text="failed of what succeeded or failed; null: nothing did")
    buckets = TimedBucket(many=True)
    histogram = Bin(many=True)
    previous = Totals(help_text="of the period before")


def kind_to_dict(kind: registry.Kind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "queue": kind.queue,
        "doc": kind.doc,
        "priority": kind.priority,
        "max_attempts": kind.max_attempts,
        "retry": {
            name: value for name, value in kind.retry.items() if isinstance(value, (int, float, str, type(None)))
        },
        "on_lost": kind.on_lost,
        "effects": kind.effects,
        "time_limit_s": kind.time_limit,
        "chore": kind.quiet,
        "params": kind.signature.schema(),
    }


urlpatterns = Operations()


@urlpatterns.get("kinds/", "kinds", shapes.page(shapes.KindShape, "KindList"), LIMIT_OF_ALL, CURSOR, name="kinds")
def list_kinds(view: ResourceView, asked: dict[str, list[str]]) -> dict[str, Any]:
    return pagination.listed(view.request, "kinds", map(kind_to_dict, registry.kinds()), asked)


@urlpatterns.get(
    "kinds/<name:name>/", "kinds", KindDetail,
    OpenApiParameter("period", str, enum=list(stats.PERIODS), default="24h"), name="kind",
)  # fmt: skip
def get_kind(view: ResourceView, asked: dict[str, list[str]], name: str) -> dict[str, Any]:
    """A kind, and over a period how its jobs fared: counts, rate of failures, waiting and running times."""
    period = asked["period"][-1]
    try:
        known = registry.get(name)
    except registry.UnknownKind:
        raise Problem("not-found", "There is no such kind.") from None
    now = series.of(period, kind=known.name)
    before = series.of(period, kind=known.name, back=stats.PERIODS[period][0])
    return kind_to_dict(known) | series.to_dict(now, before.ended)

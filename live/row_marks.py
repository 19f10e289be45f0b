"""Marks of rows that pages show beside jobs: a mark differs from the last one when the rows may have changed.

Read-only, a few small questions each, whatever the number of rows. Says that something changed, not what.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Count, Max
from django_celery_beat.models import PeriodicTasks

from tasks.alerts.models import Alert, Rule
from tasks.failures.models import Handled
from tasks.queries import stats
from tasks.schedules.models import Run, beats
from tasks.webhooks.models import Delivery, DeliveryAttempt, Endpoint

Mark = tuple[Any, ...]


def read_marks(topics: Iterable[str]) -> dict[str, Mark]:
    """The mark of each topic that is one of ROWS."""
    return {topic: ROWS[topic]() for topic in topics if topic in ROWS}


def _alerts() -> Mark:
    alerts = Alert.objects.aggregate(n=Count("id"), new=Max("id"), closed=Max("closed_at"), seen=Max("dismissed_at"))
    return (*alerts.values(), *Rule.objects.order_by("id").values_list())


def _schedules() -> Mark:
    newest = Run.objects.aggregate(new=Max("id"))["new"]
    return newest, beats(), PeriodicTasks.last_change()


def _webhooks() -> Mark:
    told = Delivery.objects.aggregate(new=Max("id"))["new"], DeliveryAttempt.objects.aggregate(new=Max("id"))["new"]
    return (*told, *Endpoint.objects.order_by("id").values_list("id", "name", "url", "enabled", "failing_since"))


def _failures() -> Mark:
    """What failed in the last hour, and who has handled what; of other moves of failed jobs hints tell."""
    handled = Handled.objects.aggregate(n=Count("id"), new=Max("at"))
    return stats.recent().last_hour["failed"], *handled.values()


ROWS: dict[str, Callable[[], Mark]] = {
    "alerts": _alerts,
    "failures": _failures,
    "schedules": _schedules,
    "webhooks": _webhooks,
}
ACTIONS = {
    "alerts": "see_rows",
    "failures": "see_rows",
    "schedules": "see_schedules",
    "webhooks": "see_webhooks",
}  # of tasks.access.permissions

"""Watching other Celery applications: their tasks become rows of ours, without a line changed there."""

from django.apps import AppConfig


class ObserveConfig(AppConfig):
    name = "tasks.observe"
    label = "signalbox_observe"  # the label must not clash with an app of a team
    verbose_name = "Watched apps"
    expired = {
        "gaps": "tasks.observe.models.expired_gaps",
        "orders": "tasks.observe.models.expired_orders",
        "watched workers": "tasks.observe.models.expired_workers",
    }

"""Watching other Celery applications: their tasks become rows of ours, without a line changed there."""

from django.apps import AppConfig

from tasks.web.features import Link, Topic


class ObserveConfig(AppConfig):
    name = "tasks.observe"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "signalbox_observe"  # the label must not clash with an app of a team
    verbose_name = "Watched apps"
    links = [Link("apps", "board", "watched apps", place=25)]
    topics = {"apps": Topic("board", "tasks.observe.shown.read_mark")}
    pages = "tasks.observe.urls"
    api = "tasks.observe.api"
    expired = {
        "gaps": "tasks.observe.models.expired_gaps",
        "watched bars": "tasks.observe.models.expired_bars",
        "tasks no longer watched": "tasks.observe.models.expired_tasks",
        "orders": "tasks.observe.models.expired_orders",
        "watched workers": "tasks.observe.models.expired_workers",
    }

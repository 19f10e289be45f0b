"""Workers and queues, charts, the self test."""

from django.apps import AppConfig

from tasks.web.features import Link


class MonitorConfig(AppConfig):
    name = "tasks.monitor"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "signalbox_monitor"  # the label must not clash with an app of a team
    links = [
        Link("charts", "page", first=True, place=20),
        Link("self-test", "submit", "self test", place=90),
    ]
    expired = {"rollouts": "tasks.monitor.models.expired_rollouts"}
    pages = "tasks.monitor.urls"
    api = "tasks.monitor.api"

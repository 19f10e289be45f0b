"""Workers and queues, charts, the self test."""

from django.apps import AppConfig


class MonitorConfig(AppConfig):
    name = "tasks.monitor"
    label = "signalbox_monitor"  # the label must not clash with an app of a team

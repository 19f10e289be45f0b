"""The app that owns rules of alerts, and the alerts they raised."""

from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "tasks.alarms"
    verbose_name = "Alerts"

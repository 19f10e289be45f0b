"""The app that owns rules of alerts, and the alerts they raised."""

from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "tasks.alerts"
    label = "alarms"  # names tables and migrations of installations that exist, so it stays
    verbose_name = "Alerts"

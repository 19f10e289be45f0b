"""The app that owns rules of alerts, and the alerts they raised."""

from django.apps import AppConfig

from tasks.web.features import Link, Topic


class AlarmsConfig(AppConfig):
    name = "tasks.alerts"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "alarms"  # names tables and migrations of installations that exist, so it stays
    verbose_name = "Alerts"
    links = [Link("alerts", "see_rows", first=True, place=12)]
    topics = {"alerts": Topic("see_rows", "tasks.alerts.models.read_mark")}
    expired = {"alerts": "tasks.alerts.models.expired_alerts"}
    pages = "tasks.alerts.urls"
    api = "tasks.alerts.api"

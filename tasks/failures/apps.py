"""The app that owns which groups of failures somebody has dealt with."""

from django.apps import AppConfig

from tasks.web.features import Link, Topic


class FailuresConfig(AppConfig):
    name = "tasks.failures"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    verbose_name = "Failures"
    links = [Link("failures", "see_rows", first=True, place=10)]
    topics = {"failures": Topic("see_rows", "tasks.failures.groups.read_mark")}
    expired = {
        "handled": "tasks.failures.models.expired_marks",
        "snoozed": "tasks.failures.models.expired_snoozes",
    }
    pages = "tasks.failures.urls"
    api = "tasks.failures.api"

"""The Django app of checks and backups."""

from django.apps import AppConfig

from tasks.web.features import Link


class ChecksConfig(AppConfig):
    name = "tasks.kinds.checks"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "checks"
    is_sample = True  # SIGNALBOX_SAMPLES=off leaves its pages and kinds out; its tables stay
    links = [Link("checks", "see_rows", place=70, example=True)]
    pages = "tasks.kinds.checks.urls"

"""The Django app of checks and backups."""

from django.apps import AppConfig

from tasks.web.features import Link


class ChecksConfig(AppConfig):
    name = "tasks.kinds.checks"
    label = "checks"
    links = [Link("checks", "see_rows", place=70)]
    pages = "tasks.kinds.checks.urls"

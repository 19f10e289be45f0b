"""The Django app of checks and backups."""

from django.apps import AppConfig


class ChecksConfig(AppConfig):
    name = "tasks.kinds.checks"
    label = "checks"

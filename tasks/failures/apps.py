"""The app that owns which groups of failures somebody has dealt with."""

from django.apps import AppConfig


class FailuresConfig(AppConfig):
    name = "tasks.failures"
    verbose_name = "Failures"

"""The Django app of the rig: kinds that leave traces, and the table that their effects are written to."""

from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.faults"
    label = "faults"

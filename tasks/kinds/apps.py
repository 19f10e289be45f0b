"""The Django app of the kinds that need no rows of their own."""

from django.apps import AppConfig


class KindsConfig(AppConfig):
    name = "tasks.kinds"
    label = "signalbox_kinds"  # the label must not clash with an app of a team

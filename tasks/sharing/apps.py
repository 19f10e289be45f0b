"""Links that show one job to anybody."""

from django.apps import AppConfig


class SharingConfig(AppConfig):
    name = "tasks.sharing"
    label = "signalbox_sharing"  # the label must not clash with an app of a team
    pages = "tasks.sharing.urls"
    api = "tasks.sharing.api"

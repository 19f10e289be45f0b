"""The Django app of feeds."""

from django.apps import AppConfig


class FeedsConfig(AppConfig):
    name = "tasks.kinds.feeds"
    label = "feeds"

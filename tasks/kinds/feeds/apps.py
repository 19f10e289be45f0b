"""The Django app of feeds."""

from django.apps import AppConfig

from tasks.web.features import Link


class FeedsConfig(AppConfig):
    name = "tasks.kinds.feeds"
    label = "feeds"
    links = [Link("feeds", "see_rows", place=50)]
    pages = "tasks.kinds.feeds.urls"
    api = "tasks.kinds.feeds.api"

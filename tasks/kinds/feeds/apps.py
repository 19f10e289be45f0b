"""The Django app of feeds."""

from django.apps import AppConfig

from tasks.web.features import Link


class FeedsConfig(AppConfig):
    name = "tasks.kinds.feeds"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "feeds"
    is_sample = True  # SIGNALBOX_SAMPLES=off leaves its pages and kinds out; its tables stay
    links = [Link("feeds", "see_rows", place=50, example=True)]
    pages = "tasks.kinds.feeds.urls"
    api = "tasks.kinds.feeds.api"

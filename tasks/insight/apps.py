"""Pages of one kind, one queue, one worker, and the list of kinds."""

from django.apps import AppConfig

from tasks.web.features import Link


class InsightConfig(AppConfig):
    name = "tasks.insight"
    label = "signalbox_insight"  # the label must not clash with an app of a team
    links = [Link("kinds", "page", place=15)]
    pages = "tasks.insight.urls"
    api = "tasks.insight.api"

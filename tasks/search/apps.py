"""The search of jobs, and bulk actions."""

from django.apps import AppConfig


class SearchConfig(AppConfig):
    name = "tasks.search"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "signalbox_search"  # the label must not clash with an app of a team
    pages = "tasks.search.urls"
    api = "tasks.search.api"

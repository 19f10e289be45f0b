"""The board, submitting, and one job."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "tasks.jobs"
    label = "signalbox_jobs"  # the label must not clash with an app of a team
    pages = "tasks.jobs.urls"
    api = "tasks.jobs.api"

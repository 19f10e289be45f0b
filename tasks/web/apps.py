"""The app that brings the tags and filters of the templates."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "tasks.web"
    label = "signalbox_web"  # the label must not clash with an app of a team
    pages = "tasks.web.urls"

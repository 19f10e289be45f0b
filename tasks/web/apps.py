"""The app that brings the tags and filters of the templates, and the names in addresses."""

from django.apps import AppConfig
from django.urls import register_converter

from tasks.web.names import Name


class WebConfig(AppConfig):
    name = "tasks.web"
    label = "signalbox_web"  # the label must not clash with an app of a team
    pages = "tasks.web.urls"

    def ready(self) -> None:
        register_converter(Name, "name")

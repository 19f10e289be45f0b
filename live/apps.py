"""The app that keeps browsers current."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    name = "live"

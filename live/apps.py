"""The app that keeps browsers current."""

from django.apps import AppConfig

from live import goodbye


class LiveConfig(AppConfig):
    name = "live"

    def ready(self) -> None:
        goodbye.teach_daphne()

"""The app that owns webhook endpoints and what was delivered to them."""

from django.apps import AppConfig


class HooksConfig(AppConfig):
    name = "tasks.hooks"
    verbose_name = "Webhooks"

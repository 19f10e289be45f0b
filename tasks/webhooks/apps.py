"""The app that owns webhook endpoints and what was delivered to them."""

from django.apps import AppConfig


class HooksConfig(AppConfig):
    name = "tasks.webhooks"
    label = "hooks"  # names tables and migrations of installations that exist, so it stays
    verbose_name = "Webhooks"

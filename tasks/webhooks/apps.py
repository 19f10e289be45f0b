"""The app that owns webhook endpoints and what was delivered to them."""

from django.apps import AppConfig

from tasks.web.features import Link, Topic


class HooksConfig(AppConfig):
    name = "tasks.webhooks"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "hooks"  # names tables and migrations of installations that exist, so it stays
    verbose_name = "Webhooks"
    links = [Link("webhooks", "see_webhooks", place=80)]
    topics = {"webhooks": Topic("see_webhooks", "tasks.webhooks.models.read_mark")}
    expired = {"deliveries": "tasks.webhooks.models.expired_deliveries"}
    pages = "tasks.webhooks.urls"
    api = "tasks.webhooks.api"

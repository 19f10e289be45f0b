"""The app of access: API tokens, sessions, share links, the audit trail, and Django's admin for admins only."""

from django.apps import AppConfig
from django.contrib.admin import apps as djangos


class DoorConfig(AppConfig):
    name = "tasks.access"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "door"  # names tables and migrations of installations that exist, so it stays
    verbose_name = "Door"
    default = True


class AdminConfig(djangos.AdminConfig):
    default_site = "tasks.access.site.Site"
    default = False

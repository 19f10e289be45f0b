"""The rows of the door: API tokens, share links, the audit trail."""

from django.apps import AppConfig


class DoorConfig(AppConfig):
    name = "tasks.door"
    label = "door"
    verbose_name = "Door"

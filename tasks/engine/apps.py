"""The app that owns jobs."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks.engine"
    label = "tasks"  # names tables and migrations of installations that exist, so it stays

"""The app that owns jobs."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

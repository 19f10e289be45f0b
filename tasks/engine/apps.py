"""The app that owns jobs."""

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import pre_delete


class TasksConfig(AppConfig):
    name = "tasks.engine"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "tasks"  # names tables and migrations of installations that exist, so it stays

    def ready(self) -> None:
        from tasks.engine.owners import leave_jobs

        pre_delete.connect(leave_jobs, sender=settings.AUTH_USER_MODEL, dispatch_uid="signalbox.owners")

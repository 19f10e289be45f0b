"""Wires Celery to Django: a process whose apps are ready knows the Celery app, every kind and a worker's signals."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from project import checks  # noqa: F401 - registers them


class ProjectConfig(AppConfig):
    name = "project"

    def ready(self) -> None:
        from project import celery
        from tasks import queues, registry, workers  # noqa: F401 - connects the signals
        from tasks.kinds import OWN

        autodiscover_modules(*OWN, "tasks")
        celery.app.conf.task_queues = queues.declared(registry.queues())

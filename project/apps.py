"""Wires Celery to Django: a process whose apps are ready knows the Celery app, every kind and a worker's signals."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import autodiscover_modules

from project import (
    celery_settings,
    checks,  # noqa: F401 - registers them
    clashes,
)


class ProjectConfig(AppConfig):
    name = "project"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        clashes.refuse_packages()
        # Django says that labels clash, and not what to do.
        clashes.refuse_labels([app for app in settings.INSTALLED_APPS if app != "project.apps.ProjectConfig"])

    def ready(self) -> None:
        from project import (
            app_settings,
            celery,
            worker,  # noqa: F401 - connects the signals
        )
        from tasks.engine import broker, celery_app, registry, routing
        from tasks.worker import adopt, annotated, imports, other_apps

        celery_app.serve_all()

        try:
            autodiscover_modules("tasks")
            imports.import_named()
        finally:  # what a module made of a kind that is none may have failed because of that
            if refused := [*registry.refused, *celery_settings.refusals()]:
                raise ImproperlyConfigured("\n".join(refused)) from None
        adopt.adopt_all()
        app_settings.read_from_apps()
        annotated.settle_all()
        other_apps.serve_all()
        registry.further_queues |= routing.named_queues()
        celery.app.conf.task_queues = broker.declared(registry.queues())

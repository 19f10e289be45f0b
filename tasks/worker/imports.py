"""Modules with tasks that are not called ``tasks``: settings name them, or another Celery app of the process does."""

import importlib
from collections.abc import Iterable

from celery import _state, signals
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tasks.engine.celery_app import app


def import_named() -> None:
    """Import what SIGNALBOX_IMPORTS, CELERY_IMPORTS and CELERY_INCLUDE name. ImproperlyConfigured: there is none."""
    for name, modules in (
        ("SIGNALBOX_IMPORTS", getattr(settings, "SIGNALBOX_IMPORTS", ())),
        ("CELERY_IMPORTS", app.conf.imports),
        ("CELERY_INCLUDE", app.conf.include),
    ):
        for module in [modules] if isinstance(modules, str) else modules or ():
            _import(name, module)
    import_of_other_apps()


def import_of_other_apps() -> None:
    """What the Celery apps that a project has made here would import when their worker starts: ``imports``,
    ``include``, ``autodiscover_tasks(related_name=…)``. Theirs only; the signal would reach Celery's fixups too."""
    for other in [each for each in _state._get_active_apps() if each is not app]:
        for module in (*other.conf.imports, *other.conf.include):
            _import(f"The Celery app {other.main!r}", module)
        for discover in _waiting(other):
            discover()


def _waiting(other: object) -> Iterable[object]:
    for (_, sender), receiver in list(signals.import_modules.receivers):
        if sender == id(other):
            yield receiver


def _import(name: str, module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{module}.".startswith(f"{missing.name}."):
            raise
        raise ImproperlyConfigured(f"{name} names the module {module}, and there is none.") from None

"""Refuses the start if a team's package or app has the name of one of ours, with a sentence that says what to do."""

from importlib import import_module
from pathlib import Path

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("tasks", "live")
WAY_OUT = "or leave that project as it is and watch its Celery application with SIGNALBOX_OBSERVE."


def refuse_packages() -> None:
    """ImproperlyConfigured if a package of ours is hidden by another one."""
    for name in PACKAGES:
        places = [Path(place).resolve() for place in import_module(name).__path__]
        if ROOT / name not in places:
            raise ImproperlyConfigured(
                f"The package {name!r} in {places[0].parent} hides Signalbox's {name!r}: rename it, {WAY_OUT}"
            )


def refuse_labels(entries: list[str]) -> None:
    """ImproperlyConfigured if two of INSTALLED_APPS have one label, and one of them is ours."""
    found: dict[str, AppConfig] = {}
    for app in map(AppConfig.create, entries):
        other = found.setdefault(app.label, app)
        ours, theirs = sorted((other, app), key=lambda each: not is_ours(each))
        if other is not app and is_ours(ours):
            raise ImproperlyConfigured(
                f"The app {theirs.name} has the label {app.label!r}, as Signalbox's {ours.name} has: give it an "
                f"AppConfig with another label, {WAY_OUT}"
            )


def is_ours(app: AppConfig) -> bool:
    return Path(app.path).resolve().is_relative_to(ROOT)

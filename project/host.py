"""Signalbox in a team's own Django project: what its settings and ours take from each other. See docs/your-project.md.

``add_jobs`` stands at the end of the team's settings, so that its site can call ``delay()``. ``add_team`` stands in a
second settings module, with which the processes of Signalbox are started.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

from django.conf import global_settings

from project import database
from project import settings as ours

OURS_ALONE = ("daphne", "whitenoise.runserver_nostatic")  # what only our own site needs of INSTALLED_APPS
ADMIN = "django.contrib.admin"
OUR_ADMIN = "tasks.access.apps.AdminConfig"
THEIRS = (
    "AUTH_USER_MODEL",
    "DATABASES",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "DATABASE_ROUTERS",
)
NEEDED = ("REDIS_URL", "OWN_REDIS", "PREPARE", "PREFIX", "KNOX_TOKEN_MODEL")  # beside all that begin with SIGNALBOX_


def add_jobs(theirs: dict[str, Any]) -> None:
    """Complete the settings of a team's own site, ``globals()`` of the module, so that its code can make jobs.

    What the team has set stays as it is.
    """
    apps = list(theirs.get("INSTALLED_APPS", ()))
    skipped = {*OURS_ALONE, OUR_ADMIN, *apps}
    theirs["INSTALLED_APPS"] = [*apps, *(app for app in ours.INSTALLED_APPS if app not in skipped)]
    theirs["MIGRATION_MODULES"] = ours.MIGRATION_MODULES | theirs.get("MIGRATION_MODULES", {})
    for name in dir(ours):
        if name.startswith("SIGNALBOX_") or name in NEEDED:
            theirs.setdefault(name, getattr(ours, name))
    layers = theirs.setdefault("CHANNEL_LAYERS", {})
    layers.setdefault("signalbox", ours.CHANNEL_LAYERS["default"])
    main = theirs.get("DATABASES", {}).get("default", {})
    if main.get("ENGINE", "").endswith("sqlite3"):
        main |= database.settings(main, web=True, worker=False, pooler=False, connections=1)


def add_team(settings: dict[str, Any], theirs: ModuleType | str) -> None:
    """Add a team's apps, users, database and own settings to ours, ``globals()`` of a module that begins with
    ``from project.settings import *``.
    """
    theirs = import_module(theirs) if isinstance(theirs, str) else theirs
    apps = [app for app in getattr(theirs, "INSTALLED_APPS", ()) if app != ADMIN]
    settings["INSTALLED_APPS"] = [
        *settings["INSTALLED_APPS"],
        *(app for app in apps if app not in settings["INSTALLED_APPS"]),
    ]
    for name in dir(theirs):
        if name.isupper() and (name in THEIRS or name not in settings):
            settings[name] = getattr(theirs, name)
    keys = getattr(theirs, "DEFAULT_AUTO_FIELD", global_settings.DEFAULT_AUTO_FIELD)  # of their models; our apps say it
    settings["DEFAULT_AUTO_FIELD"] = keys
    settings["MIGRATION_MODULES"] = getattr(theirs, "MIGRATION_MODULES", {}) | ours.MIGRATION_MODULES
    settings["DATABASES"] = {
        **settings["DATABASES"],
        "default": database.settings(
            settings["DATABASES"]["default"],
            web=ours.IN_WEB,
            worker=ours.IN_WORKER,
            pooler=not ours.PREPARE,
            connections=ours.CONNECTIONS,
        ),
    }

"""How every process begins, whoever starts it: Django is set up, and what would make it unsafe ends it at once."""

import gc
import os
import sys

import django
from django.conf import settings
from django.core.checks import ERROR, Tags, run_checks
from django.core.exceptions import ImproperlyConfigured

REFUSED = 2  # the exit code
is_own_process = False  # begun by a command, server or worker of ours; in another one CELERY_BROKER_URL is not for us


def set_up(check: bool = True) -> None:
    """A wrong setting or kind, and an error of the security checks, is a sentence on stderr and exit 2."""
    collects = gc.isenabled()
    gc.disable()  # nearly all of what is loaded here stays: looking for garbage in it takes a tenth of a start
    read_settings()
    try:
        django.setup()
    except ImproperlyConfigured as error:
        refuse(str(error))
    errors = [found for found in run_checks(tags=[Tags.security]) if found.level >= ERROR] if check else []
    if errors:
        refuse("\n".join(" ".join(filter(None, (found.msg, found.hint))) for found in errors))
    gc.freeze()  # never looked at again: a worker's children go on sharing these pages
    if collects:
        gc.enable()


def read_settings() -> None:
    """Only that; a wrong one is a sentence on stderr and exit 2."""
    global is_own_process
    is_own_process = not settings.configured or is_own_process
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        settings.INSTALLED_APPS  # noqa: B018 - reads them
    except ImproperlyConfigured as error:
        refuse(str(error))


def refuse(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
    sys.exit(REFUSED)

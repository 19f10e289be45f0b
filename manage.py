#!/usr/bin/env python
"""Signalbox's command line; `manage.py up` runs the whole product. A wrong setting or kind: one sentence, exit 2."""

import os
import sys

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        settings.INSTALLED_APPS  # noqa: B018 - reads the settings, before Django would answer with a traceback
        django.setup()
    except ImproperlyConfigured as error:
        sys.exit(print(error, file=sys.stderr) or 2)
    execute_from_command_line(sys.argv)

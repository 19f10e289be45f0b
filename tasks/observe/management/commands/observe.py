"""`manage.py observe`: watches the applications of SIGNALBOX_OBSERVE until Ctrl-C or SIGTERM.

A process of its own: whatever it asks of a foreign broker must reach no setting of ours. Celery would take the broker
from the environment for every application, so the variable goes as soon as the settings are read.
"""

import logging
import os
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from tasks.observe.observer import Observer, stop_watching

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Watches the Celery applications that SIGNALBOX_OBSERVE names."
    requires_system_checks = []

    def handle(self, **_: Any) -> None:
        for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"):
            os.environ.pop(name, None)
        if not settings.SIGNALBOX_OBSERVE:
            gone = stop_watching(set())
            more = f" No longer watched: {', '.join(gone)}." if gone else ""
            print(f"SIGNALBOX_OBSERVE is not set: there is nothing to watch.{more}", file=sys.stderr)
            sys.exit(2)
        observer = Observer()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: observer.stopping.set())
        observer.start()
        names = ", ".join(f"{name} at {address}" for name, address in settings.SIGNALBOX_OBSERVE.items())
        log.info("Watching %s.", names)
        print("signalbox:ready", flush=True)
        observer.run()

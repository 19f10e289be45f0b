"""Celery's app as `manage.py up` starts it: the same app, which also reports to the supervisor when it is ready.

What it says to the supervisor is a line of its own on stdout, whatever the log level is.
"""

import sys

from celery.signals import beat_init, worker_ready

from project.celery import app

__all__ = ["app"]


@worker_ready.connect
@beat_init.connect
def say_ready(**_) -> None:
    print("signalbox:ready", file=sys.__stdout__, flush=True)

"""Writes how an attempt ended, however long the database is away, and from whatever a job's code has left behind."""

import logging
import math
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.worker import connections, pulse

log = logging.getLogger(__name__)

REFUSALS = 3  # of an end by a database that works, until it counts as one that cannot be stored
RECORD_S = 30.0  # for a process that writes the end in place of one whose files were closed
RECORDS = """import pickle, sys, django
django.setup()
from tasks.worker.recording import record
record(*pickle.load(sys.stdin.buffer))"""


def record(job: Job, write: Callable[[], Any], patience: float = math.inf) -> None:
    """Write the end as soon as the database can be reached, unless another attempt has the job by then.

    If the database works and refuses the end again and again, a failure that says so is written instead. After
    ``patience`` seconds the process ends, and the job is one whose worker died.
    """
    pause, refused, until = 0.05, 0, time.monotonic() + patience
    while True:
        try:
            write()
            return
        except Exception as error:
            log.warning("The end of a job cannot be written yet: %s", error)
            connection.close()
            refused += not isinstance(error, OperationalError | InterfaceError)
            connections.free_from_strangers()
            if time.monotonic() > until:
                os._exit(1)
            if refused > 2 * REFUSALS or (pulse.stopping() and pause >= 1):
                raise
            if refused == REFUSALS:
                write = partial(lifecycle.fail, job, Failure.said(f"How it ended could not be stored: {error}"))
            time.sleep(pause)
            pause = min(pause * 2, 2.0)


def record_elsewhere(job: Job, write: Callable[[], Any]) -> None:
    """Write the end in a fresh process and end this one, in which a job has closed open files.

    SQLite could take files that were opened later for its own.
    """
    child = os.fork()
    if child == 0:  # of the threads only this one is here, so no other one takes the file for its own
        while os.open(os.devnull, os.O_RDWR) < 2:  # the standard ones, where they were closed
            pass
        with tempfile.TemporaryFile() as file:
            pickle.dump((job, write), file)
            file.seek(0)
            os.dup2(file.fileno(), 0)
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
            os.execve(sys.executable, [sys.executable, "-c", RECORDS], environment)  # noqa: S606 - our own words
    until = time.monotonic() + RECORD_S
    while time.monotonic() < until and os.waitpid(child, os.WNOHANG)[0] == 0:
        time.sleep(0.02)
    os._exit(1)

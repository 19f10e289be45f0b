"""The kind that misbehaves in every way that the kit knows."""

import ctypes
import os
import re
import resource
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import transaction

from tasks.base import job
from tasks.engine.models import Job
from tests.misbehaviour import connections, errors, processes, values
from tests.misbehaviour.ordinary import ordinary

WAYS = {
    **connections.WAYS,
    **processes.WAYS,
    **values.WAYS,
    **{name: code for name, (_, code) in errors.WAYS.items()},
}

__all__ = ["crashes", "misbehaves", "ordinary", "works_in_a_thread"]


@job(effects="none", max_retries=0)
def misbehaves(how: str) -> Any:
    return WAYS[how]()


@job(effects="none", max_retries=1)
def crashes(how: str, seconds: float = 0.0) -> None:
    """Take the process down, in a way that Python cannot prevent."""
    time.sleep(seconds)
    match how:
        case "exit":
            os._exit(3)
        case "no file may grow":  # not even that of the database
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        case "a regular expression":
            re.match("(a+)+$", "a" * 60 + "b")
        case "another program":
            os.execv("/bin/sleep", ["sleep", "300"])
        case "segmentation fault":
            ctypes.string_at(0)
        case signal_name:
            os.kill(os.getpid(), getattr(signal, signal_name))
            time.sleep(30)


HANDS = ThreadPoolExecutor(1, thread_name_prefix="hands")  # kept, with its connection, from job to job


@job(effects="none", max_retries=0)
def works_in_a_thread(seconds: float) -> int:
    """Hold a transaction in a thread that outlives the job, and end it in order."""

    def hold() -> int:
        with transaction.atomic():
            found = Job.objects.count()
            time.sleep(seconds)
        return found

    return HANDS.submit(hold).result()

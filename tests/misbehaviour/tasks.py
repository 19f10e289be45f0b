"""The kind that misbehaves in every way that the kit knows."""

import ctypes
import os
import signal
import time
from typing import Any

from tasks.base import job
from tests.misbehaviour import connections, errors, processes, values
from tests.misbehaviour.ordinary import ordinary

WAYS = {**connections.WAYS, **processes.WAYS, **values.WAYS, **{name: code for name, (_, code) in errors.WAYS.items()}}

__all__ = ["crashes", "misbehaves", "ordinary"]


@job(effects="none", max_retries=0)
def misbehaves(how: str) -> Any:
    return WAYS[how]()


@job(effects="none", max_retries=1)
def crashes(how: str) -> None:
    """Take the process down, in a way that Python cannot prevent."""
    match how:
        case "exit":
            os._exit(3)
        case "segmentation fault":
            ctypes.string_at(0)
        case signal_name:
            os.kill(os.getpid(), getattr(signal, signal_name))
            time.sleep(30)

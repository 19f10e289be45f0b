"""Processes as no job should leave them."""

import builtins
import datetime
import decimal
import gc
import json
import locale
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from django.test import override_settings
from django.utils import timezone, translation

KEPT: list[Any] = []
WAYS: dict[str, Callable[[], Any]] = {}
ENDS: set[str] = set()  # ways after which the process must be another one


def way(function: Callable[[], Any]) -> Callable[[], Any]:
    WAYS[function.__name__] = function
    return function


def ends(function: Callable[[], Any]) -> Callable[[], Any]:
    ENDS.add(function.__name__)
    return way(function)


@way
def another_directory() -> None:
    os.chdir("/")


@way
def a_directory_that_is_gone() -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)


@way
def another_umask() -> None:
    os.umask(0)


@way
def another_locale() -> None:
    locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C")


@way
def another_time_zone() -> None:
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()


@way
def another_language() -> None:
    translation.activate("de")
    timezone.activate("Asia/Tokyo")


@way
def other_settings_of_django() -> None:
    override_settings(DATABASES={}, USE_TZ=False, SECRET_KEY="another").enable()


@way
def other_handlers_of_signals() -> None:
    if in_main_thread():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)


@way
def blocked_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})


@way
def an_alarm() -> None:
    signal.alarm(1)


@way
def impatient_sockets() -> None:
    socket.setdefaulttimeout(0.000_001)


@way
def no_garbage_collector() -> None:
    gc.disable()


@way
def little_recursion() -> None:
    sys.setrecursionlimit(90)


@way
def crude_decimals() -> None:
    decimal.getcontext().prec = 2
    decimal.getcontext().traps[decimal.Inexact] = True


@way
def no_standard_output() -> None:
    sys.stdout.close()
    sys.stderr = None
    sys.stdout = 17


@way
def no_logging() -> None:
    logging.disable(logging.CRITICAL)
    logging.root.handlers.clear()


@way
def replaced_functions() -> None:
    json.dumps = os.getpid = builtins.print = lambda *words, **options: 1 / 0


@ends
def a_clock_that_stands() -> None:
    time.time = time.monotonic = lambda: 0.0
    datetime.datetime = type("datetime", (datetime.datetime,), {"now": classmethod(lambda *_: 0)})


@ends
def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))


@ends
def much_memory() -> None:
    KEPT.append(bytearray(2 << 30))


@ends
def closed_files() -> None:
    os.closerange(3, 1_024)


@ends
def closed_standard_files() -> None:
    os.closerange(0, 3)


@way
def zombies() -> None:
    for _ in range(20):
        if os.fork() == 0:
            os._exit(3)


@way
def a_child_that_goes_on() -> None:
    KEPT.append(subprocess.Popen(["sleep", "20"]))


@way
def a_fork_that_comes_back() -> None:
    if os.fork() == 0:
        raise ZeroDivisionError


def in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()

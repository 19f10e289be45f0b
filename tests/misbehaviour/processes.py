"""Processes as no job should leave them."""

import asyncio
import builtins
import datetime
import decimal
import gc
import json
import locale
import logging
import logging.config
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from celery import Celery, current_app
from django.conf import settings
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
def one_setting_of_django() -> None:
    settings.DEBUG = True
    settings.SIGNALBOX_NAME = "another"
    settings.NEW = 1


@way
def other_handlers_of_signals() -> None:
    if in_main_thread():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)


@way
def deadly_signals() -> None:
    if in_main_thread():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_PROF, 100)
    signal.setitimer(signal.ITIMER_VIRTUAL, 100)


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
def other_limits_of_python() -> None:
    sys.set_int_max_str_digits(640)
    sys.setswitchinterval(5)
    threading.stack_size(32_768)


@way
def warnings_that_are_errors() -> None:
    warnings.simplefilter("error")


@way
def another_environment() -> None:
    os.environ["PATH"] = os.environ["HOME"] = "/nowhere"
    sys.path.clear()


@way
def a_function_that_traces() -> None:
    sys.setprofile(lambda *words: None)
    sys.settrace(lambda *words: None)


@way
def a_loop_that_runs() -> None:
    """Django's ORM refuses to work where one does."""
    asyncio._set_running_loop(asyncio.new_event_loop())


@way
def a_policy_without_loops() -> None:
    asyncio.run(asyncio.sleep(0))
    asyncio.set_event_loop_policy(type("None", (asyncio.DefaultEventLoopPolicy,), {"new_event_loop": None})())


@way
def another_celery() -> None:
    current_app.conf.task_always_eager = True
    Celery("another")


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
def loggers_that_were_switched_off() -> None:
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    logging.setLogRecordFactory(lambda *words, **more: 1 / 0)
    logging.root.addFilter(lambda record: False)


@way
def replaced_ways_out() -> None:
    socket.socket = socket.getaddrinfo = lambda *words, **options: 1 / 0
    sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *words: os._exit(9)


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
def little_nice() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    resource.setrlimit(resource.RLIMIT_CPU, (3_600, 3_600))


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
    return threading.current_thread() is threading.main_thread()

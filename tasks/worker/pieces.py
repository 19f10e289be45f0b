"""The pieces of a process's state that a job may change: how each is read, compared and put back."""

import _signal
import asyncio
import builtins
import datetime
import gc
import json
import locale
import logging
import os
import random
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import repeat
from operator import eq, is_
from typing import Any, NamedTuple

from django.conf import settings

from tasks.engine.celery_app import app
from tasks.worker import connections

log = logging.getLogger(__name__)

SIGNALS = [
    int(getattr(signal, f"SIG{name}"))
    for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "CHLD", "ALRM", "PIPE", "PROF", "VTALRM", "XCPU", "XFSZ")
]
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
# Without the enums that Python makes of what these return: they cost more than all else here.
handler_of, block = _signal.getsignal, _signal.pthread_sigmask
LIMITS = tuple(
    getattr(resource, f"RLIMIT_{name}") for name in ("NOFILE", "AS", "DATA", "FSIZE", "CPU", "NPROC", "STACK")
)
CLOCKS = [(time, "time"), (time, "monotonic"), (time, "sleep"), (datetime, "datetime"), (datetime, "date")]
FUNCTIONS = [  # what the worker itself calls
    *((json, name) for name in ("dumps", "loads")),
    *((os, name) for name in ("getpid", "kill", "open", "read", "write", "environ")),
    *((random, name) for name in ("random", "uniform")),
    *((builtins, name) for name in ("open", "print", "len", "isinstance", "__import__")),
    *((socket, name) for name in ("socket", "create_connection", "getaddrinfo")),
    *((sys, name) for name in ("excepthook", "unraisablehook")),
    (threading, "excepthook"),
]


class Piece(NamedTuple):
    """One piece of a process's state."""

    name: str
    read: Callable[[], Any]
    put_back: Callable[[Any], Any]
    same: Callable[[Any, Any], bool] = eq


def _each_is(ours: Any, theirs: Any) -> bool:
    return len(ours) == len(theirs) and all(map(is_, ours, theirs))


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def _umask() -> int:
    found = os.umask(0o077)  # it cannot be asked without being set; a file made right now is private
    os.umask(found)
    return found


def _zone() -> tuple[str | None, tuple[str, str]]:
    return os.environ.get("TZ"), time.tzname


def _set_zone(before: tuple[str | None, Any]) -> None:
    os.environ.pop("TZ", None)
    if before[0] is not None:
        os.environ["TZ"] = before[0]
    time.tzset()


def _set_handlers(before: tuple[Any, ...]) -> None:
    for number, handler in zip(SIGNALS, before, strict=True):
        if handler is not None and handler_of(number) is not handler:
            signal.signal(number, handler)


def _set_streams(before: tuple[Any, ...]) -> None:
    sys.stdin, sys.stdout, sys.stderr = before


def _logging() -> tuple[Any, ...]:
    root = logging.root
    filters = [each.filters[:] for each in (root, *root.handlers)]
    ours = log.disabled  # dictConfig() switches off all loggers that there are
    return root.manager.disable, root.level, logging.getLogRecordFactory(), ours, filters, [*root.handlers]


def _still_logs(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Further handlers may stay: a library that a job imported first may have added one."""
    return before[:5] == (*now[:4], now[4][: len(before[4])]) and all(handler in now[5] for handler in before[5])


def _set_logging(before: tuple[Any, ...]) -> None:
    root = logging.root
    logging.disable(before[0])
    root.setLevel(before[1])
    logging.setLogRecordFactory(before[2])
    if log.disabled and not before[3]:
        for each in root.manager.loggerDict.values():
            each.disabled = False
    root.handlers[:] = before[5] + [handler for handler in root.handlers if handler not in before[5]]
    for each, filters in zip((root, *before[5]), before[4], strict=True):
        each.filters[:] = filters


def _django() -> tuple[Any, ...]:
    found = settings._wrapped.__dict__
    return settings._wrapped, tuple(found), tuple(found.values())


def _set_django(before: tuple[Any, ...]) -> None:
    settings._wrapped = before[0]
    found = before[0].__dict__
    for name in found.keys() - set(before[1]):
        delattr(settings, name)
    for name, value in zip(before[1], before[2], strict=True):
        if found.get(name) is not value:
            setattr(settings, name, value)


def _keeps(before: Any, now: Any) -> bool:
    """Whether what was there is there; more may have come with a library that a job imported first."""
    return before == now or before.items() <= now.items()


def _set_environment(before: dict[bytes, bytes]) -> None:
    for name, value in before.items() - os.environ._data.items():
        os.environ[os.fsdecode(name)] = os.fsdecode(value)


def _set_path(before: list[str]) -> None:
    sys.path[:] = before + [each for each in sys.path if each not in before]


def _warns_as_before(before: list[Any], now: list[Any]) -> bool:
    """Further filters may stay, but for those that make an error of a warning in somebody else's code."""
    return before == now or (
        all(each in now for each in before) and not any(each[0] == "error" and each not in before for each in now)
    )


def _set_warnings(before: list[Any]) -> None:
    warnings.resetwarnings()  # so that what was decided with other filters is forgotten
    warnings.filters[:] = before


def _policy() -> Any:
    return getattr(asyncio.events, "_event_loop_policy", None)  # None until somebody asks for it


def _set_policy(before: Any) -> None:
    asyncio.events._event_loop_policy = before


def _timers() -> dict[int, tuple[float, float]]:
    """Those that run: how long still, and again after how long, in seconds."""
    return {each: left for each in TIMERS if (left := signal.getitimer(each))[0]}


def _set_timers(before: dict[int, tuple[float, float]]) -> None:
    for each in TIMERS:
        signal.setitimer(each, *before.get(each, (0, 0)))


def _python() -> tuple[Any, ...]:
    digits, stack = sys.get_int_max_str_digits(), threading.stack_size()
    return sys.getrecursionlimit(), digits, stack, sys.getswitchinterval(), gc.get_threshold()


def _set_python(before: tuple[Any, ...]) -> None:
    sys.setrecursionlimit(before[0])
    sys.set_int_max_str_digits(before[1])
    threading.stack_size(before[2])
    sys.setswitchinterval(before[3])
    gc.set_threshold(*before[4])


def _reader(names: list[tuple[Any, str]]) -> Callable[[], list[Any]]:
    modules, attributes = zip(*names, strict=True)
    return lambda: [*map(getattr, modules, attributes, repeat(None))]


def _set(names: list[tuple[Any, str]], before: list[Any]) -> None:
    for (module, name), value in zip(names, before, strict=True):
        setattr(module, name, value)


def _set_celery(before: dict[str, Any]) -> None:
    app.conf.changes.clear()
    app.conf.changes.update(before)


def _limits() -> tuple[Any, ...]:
    return os.geteuid(), os.getpriority(os.PRIO_PROCESS, 0), *map(resource.getrlimit, LIMITS)


def _set_limits(before: tuple[Any, ...]) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, before[1])  # first: what was lowered for good may only be one of the others
    for limit, value in zip(LIMITS, before[2:], strict=True):
        resource.setrlimit(limit, value)


PIECES = (
    Piece("the working directory", _cwd, os.chdir),
    Piece("the umask", _umask, os.umask),
    Piece("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
    Piece("the time zone", _zone, _set_zone),
    Piece("handlers of signals", lambda: [*map(handler_of, SIGNALS)], _set_handlers, _each_is),
    Piece("an alarm", _timers, _set_timers, lambda was, now: now.keys() <= was.keys()),  # one that ran runs on
    Piece("the timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Piece("the garbage collector", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    Piece("limits of Python", _python, _set_python),
    Piece("the policy of event loops", _policy, _set_policy, lambda was, now: was is None or was is now),
    Piece("filters of warnings", lambda: warnings.filters[:], _set_warnings, _warns_as_before),
    Piece("the path of modules", lambda: sys.path[:], _set_path, lambda was, now: was == now or {*was} <= {*now}),
    Piece("standard output", lambda: (sys.stdin, sys.stdout, sys.stderr), _set_streams, _each_is),
    Piece("logging", _logging, _set_logging, _still_logs),
    Piece("Django's settings", _django, _set_django),
    Piece("settings of databases", connections.settings, connections.set_settings),
    Piece("Celery's settings", lambda: {**app.conf.changes}, _set_celery),
    Piece("limits of the process", _limits, _set_limits),
    Piece("functions that were replaced", _reader(FUNCTIONS), partial(_set, FUNCTIONS), _each_is),
    Piece("the environment", lambda: {**os.environ._data}, _set_environment, _keeps),
    CLOCK := Piece("the clock", _reader(CLOCKS), partial(_set, CLOCKS), _each_is),
)

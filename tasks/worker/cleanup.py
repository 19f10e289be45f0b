"""A process that runs other people's code gets its state back after each job.

Put back: the working directory, the locale, signal handlers, and so on (``PIECES``), language and time zone of Django,
connections to databases. What cannot be put back is a reason for the process to end after the job: ``Left.broken``.
Measured: some 50 µs for a job that leaves nothing, and 2 µs for each of its statements.
"""

import _signal
import builtins
import datetime
import decimal
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
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import repeat
from operator import eq, is_
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone, translation

from tasks.worker import connections

SIGNALS = [
    int(getattr(signal, f"SIG{name}")) for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "CHLD", "ALRM")
]
# Without the enums that Python makes of what these return: they cost more than all else here.
handler_of, block = _signal.getsignal, _signal.pthread_sigmask
LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_AS)
CLOCKS = [(time, "time"), (time, "monotonic"), (time, "sleep"), (datetime, "datetime"), (datetime, "date")]
FUNCTIONS = [  # what the worker itself calls
    *((json, name) for name in ("dumps", "loads")),
    *((os, name) for name in ("getpid", "kill", "open", "read", "write", "environ")),
    *((random, name) for name in ("random", "uniform")),
    *((builtins, name) for name in ("open", "print", "len", "isinstance")),
]


class Left(NamedTuple):
    """What a job left: what was put back, in words; why its process must end (or ""); and whether it must at once,
    since its files were closed."""

    put_back: list[str]
    broken: str
    cut_off: bool


class Before(NamedTuple):
    """What was true of the thread before the job's function ran."""

    job: str
    inside: frozenset[str]
    language: str | None
    zone: Any
    numbers: decimal.Context
    blocked: set[Any]


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
    return logging.root.manager.disable, logging.root.level, [*logging.root.handlers]


def _still_logs(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Further handlers may stay: a library that a job imported first may have added one."""
    return before[:2] == now[:2] and all(handler in now[2] for handler in before[2])


def _set_logging(before: tuple[Any, ...]) -> None:
    logging.disable(before[0])
    logging.root.setLevel(before[1])
    for handler in before[2]:
        logging.root.addHandler(handler)


def _reader(names: list[tuple[Any, str]]) -> Callable[[], list[Any]]:
    modules, attributes = zip(*names, strict=True)
    return lambda: [*map(getattr, modules, attributes, repeat(None))]


def _set(names: list[tuple[Any, str]], before: list[Any]) -> None:
    for (module, name), value in zip(names, before, strict=True):
        setattr(module, name, value)


def _limits() -> tuple[Any, ...]:
    return os.geteuid(), *map(resource.getrlimit, LIMITS)


def _set_limits(before: tuple[Any, ...]) -> None:
    for limit, value in zip(LIMITS, before[1:], strict=True):
        resource.setrlimit(limit, value)


PIECES = (
    Piece("the working directory", _cwd, os.chdir),
    Piece("the umask", _umask, os.umask),
    Piece("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
    Piece("the time zone", _zone, _set_zone),
    Piece("handlers of signals", lambda: [*map(handler_of, SIGNALS)], _set_handlers, _each_is),
    Piece("an alarm", lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0, lambda _: signal.alarm(0)),
    Piece("the timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Piece("the garbage collector", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    Piece("the limit of recursion", sys.getrecursionlimit, sys.setrecursionlimit),
    Piece("standard output", lambda: (sys.stdin, sys.stdout, sys.stderr), _set_streams, _each_is),
    Piece("logging", _logging, _set_logging, _still_logs),
    Piece("Django's settings", lambda: [settings._wrapped], lambda was: setattr(settings, "_wrapped", *was), _each_is),
    Piece("limits of the process", _limits, _set_limits),
    Piece("functions that were replaced", _reader(FUNCTIONS), partial(_set, FUNCTIONS), _each_is),
    CLOCK := Piece("the clock", _reader(CLOCKS), partial(_set, CLOCKS), _each_is),
)

_lock = threading.Lock()
_process: tuple[int, list[Any]] | None = None  # of this process, and as its pieces are between jobs
_files: dict[int, tuple[int, int]] = {}  # descriptors that are this process's own as long as it lives
_zombie = 0  # a child that nobody waited for when the last job ended


def begin(job: str, kept: bool) -> Before:
    """Before a job's function runs. ``kept``: this process runs jobs and nothing else; what it was at first stays."""
    global _process, _files
    with _lock:
        if not connections.running and not (kept and _process and _process[0] == os.getpid()):
            _process = os.getpid(), [piece.read() for piece in PIECES]
            _files = _own_files() if kept else {}
        connections.running = {**connections.running, job: threading.get_ident()}
    return Before(
        job,
        connections.inside(),
        translation.get_language(),
        timezone.get_current_timezone(),
        decimal.getcontext().copy(),
        block(signal.SIG_BLOCK, ()),
    )


def end(before: Before) -> Left:
    """After it: put back what can be. Pieces of the process wait for the last job that runs in it."""
    cut_off, broken = _closed(), ""
    if cut_off:
        connections.forget()
    said = connections.clean(before.inside)
    decimal.setcontext(before.numbers)
    if translation.get_language() != before.language:
        translation.activate(before.language) if before.language else translation.deactivate_all()
        said.append("the language")
    if timezone.get_current_timezone() != before.zone:
        timezone.activate(before.zone)
        said.append("Django's time zone")
    if block(signal.SIG_BLOCK, ()) != before.blocked:
        block(signal.SIG_SETMASK, before.blocked)
        said.append("signals that were blocked")
    with _lock:
        connections.running = {job: thread for job, thread in connections.running.items() if job != before.job}
        if not connections.running:
            broken = _put_back(said)
            _wait_for_children()
    if held := connections.free_from_threads():
        said += held
        broken = broken or "a thread that holds a transaction"
    return Left(said, "files that were closed" if cut_off else broken, cut_off)


def _put_back(said: list[str]) -> str:
    """The pieces of the process as they were. Which one cannot be, so that the process is broken."""
    broken = ""
    for piece, was in zip(PIECES, _process[1] if _process else (), strict=True):
        if piece.same(was, piece.read()):
            continue
        said.append(piece.name)
        with suppress(Exception):
            piece.put_back(was)
        if piece is CLOCK or not piece.same(was, piece.read()):
            broken = piece.name
    return broken


def _own_files() -> dict[int, tuple[int, int]]:
    """Descriptors that no job has to do with: the standard ones, and one that stands for all others."""
    numbers = (0, 1, 2, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    return {number: found for number in numbers if (found := _identity(number))}


def _closed() -> bool:
    return any(_identity(number) != was for number, was in _files.items())


def _identity(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _wait_for_children() -> None:
    """A child process that ended and was not waited for until the next job ended is waited for here."""
    global _zombie
    if not _files:
        return
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is not None and found.si_pid == _zombie:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        _zombie = found.si_pid if found else 0
    except ChildProcessError:
        _zombie = 0

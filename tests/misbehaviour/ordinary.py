"""What every job may rely on, whoever ran before it in the same process."""

import asyncio
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
import threading
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone, translation

from tasks.base import job
from tasks.engine.effects import once
from tasks.engine.models import Job

SQLITE = "SELECT query_only, foreign_keys, timeout FROM pragma_query_only, pragma_foreign_keys, pragma_busy_timeout"
POSTGRES = """SELECT current_setting('statement_timeout'), current_setting('search_path'), current_user,
    current_setting('default_transaction_read_only'),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
    (SELECT count(*) FROM pg_class WHERE relname = 'junk')"""


@cache
def freeze() -> None:
    """The process as its first job finds it, or each collection would take longer than all else here."""
    gc.freeze()


@job(effects="none", max_retries=0)
def ordinary(report) -> dict[str, Any]:
    """Work as usual, and say what is true here."""
    gc.collect()  # what the job before left lying about ends now
    freeze()
    report.progress(1, 2, "looking")
    logging.getLogger("shop").warning("an ordinary line")
    print("an ordinary word")
    with once("ordinary") as first:
        with connection.cursor() as cursor:
            session = cursor.execute(POSTGRES if connection.vendor == "postgresql" else SQLITE).fetchone()
    handlers = [
        signal.getsignal(getattr(signal, f"SIG{name}")) for name in ("TERM", "INT", "USR1", "USR2", "PIPE", "PROF")
    ]
    found = {
        "first": first,
        "rows": [Job.objects.using(alias).filter(uid=report.job_id).count() for alias in ("default", "second")],
        "autocommit": [connections[alias].get_autocommit() for alias in ("default", "second")],
        "session": session,
        "directory": os.getcwd(),
        "umask": umask(Path("/tmp") / f"ordinary-{report.job_id}"),
        "locale": locale.setlocale(locale.LC_ALL),
        "zone": [time.tzname, time.localtime(0).tm_hour],
        "language": [translation.get_language(), str(timezone.get_current_timezone())],
        "handlers": [getattr(each, "__qualname__", str(each)) for each in handlers],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "alarm": signal.getitimer(signal.ITIMER_REAL)[0],
        "sockets": socket.getdefaulttimeout(),
        "python": [gc.isenabled(), sys.getrecursionlimit(), decimal.getcontext().prec, json.dumps({"a": 1})],
        "interpreter": [sys.gettrace(), sys.getprofile(), sys.get_int_max_str_digits(), sys.getswitchinterval()],
        "threads": [threading.stack_size(), threading.excepthook is threading.__excepthook__],
        "warnings": [each[0] for each in warnings.filters].count("error"),
        "environment": [os.environ.get("HOME"), os.environ.get("PATH"), bool(sys.path)],
        "limits": [
            os.getpriority(os.PRIO_PROCESS, 0),
            *map(resource.getrlimit, (resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)),
        ],
        "timers": [signal.getitimer(each)[0] for each in (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)],
        "loggers": [
            logging.getLogger("shop").isEnabledFor(30),
            logging.getLogger("shop").disabled,
            logging.root.filters,
        ],
        "django": [settings.DEBUG, settings.SIGNALBOX_NAME, connection.settings_dict["NAME"]],
        "celery": [current_app.main, current_app.conf.task_always_eager],
        "coroutine": asyncio.run(nap()),
        "clock": abs(time.time() - datetime.datetime.now(datetime.UTC).timestamp()) < 1,
        "process": subprocess.run(["false"], check=False).returncode,
    }
    return {name: str(value) for name, value in found.items()} | {"zombies": len(zombies())}


async def nap() -> int:
    await asyncio.sleep(0)
    return 1


def umask(path: Path) -> str:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
        return oct(path.stat().st_mode & 0o777)
    finally:
        path.unlink()


def zombies() -> list[str]:
    """Children of this process that nobody has waited for."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in children if ") Z " in Path(f"/proc/{pid}/stat").read_text()]

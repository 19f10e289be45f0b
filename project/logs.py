"""Log lines of all processes: one line each, with the request and the job that the code worked for.

From the HTTP request to the worker: a job's row carries the id of the request that asked for it, if there was one.
"""

import codecs
import io
import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

from celery.signals import (
    after_setup_task_logger,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_ready,
)

from tasks.engine.celery_app import is_ours
from tasks.engine.log_context import REQUEST, forget, job_id, mask_secrets, request_id
from tasks.engine.report import LINE_CHARACTERS, current_report
from tasks.engine.visible import in_lines, in_one_line

OWN = ("celery", "kombu", "amqp", "redis", "django", "live", "tasks", "project", "signalbox")  # what runs jobs
TEXT = logging.Formatter("%(message)s")
printed = logging.getLogger("signalbox.printed")


class Context(logging.Filter):
    """Puts ``request`` and ``job`` into every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id, record.job_id = request_id.get(), job_id.get()
        if record.name.startswith("django.security.") or (record.name == "django.request" and record.levelno < 40):
            record.exc_info = None  # somebody else's fault, such as a Host that is not ours: a line, and no traceback
        return True


class LineFormatter(logging.Formatter):
    """For people. A text that others typed cannot begin a new line; tracebacks follow indented."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        ids = "".join(
            f" {name}={value}"
            for name, value in (("request", getattr(record, "request_id", "")), ("job", getattr(record, "job_id", "")))
            if value
        )
        text = f"{at} {record.levelname} {record.name}:{ids} {mask_secrets(record.getMessage())}"
        trace = mask_secrets(self.formatException(record.exc_info)) if record.exc_info else ""
        return in_one_line(text) + "".join(f"\n    {line}" for line in in_lines(trace).split("\n") if line)


class JsonFormatter(logging.Formatter):
    """For machines: one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": mask_secrets(record.getMessage()),
            "process": record.process,
        }
        line |= {
            name: value
            for name, value in (("request", getattr(record, "request_id", "")), ("job", getattr(record, "job_id", "")))
            if value
        }
        if record.exc_info:
            line["traceback"] = mask_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


class JobLogHandler(logging.Handler):
    """Puts what a job's code logs into the job's log as well: a task that was there before logs as it always did."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            report = current_report()
            if report.job_id is None or record.name.partition(".")[0] in OWN:
                return
            level = "error" if record.levelno > logging.ERROR else record.levelname.lower()
            report.note(TEXT.format(record), level)
        except Exception:  # it is the job's code that logs, and a line that cannot be written is no reason to fail
            self.handleError(record)


class Printed(io.TextIOBase):
    """Stands in for stdout and stderr: what a job prints is a line like all others, with its id, without secrets."""

    encoding, errors = "utf-8", "backslashreplace"

    def __init__(self, instead_of: TextIO) -> None:
        self.instead_of, self._here = instead_of, threading.local()
        self.name = getattr(instead_of, "name", "")
        self.buffer = Bytes(self)

    def write(self, text: str) -> int:
        if getattr(self._here, "busy", False):  # it is logging that complains
            return self.instead_of.write(in_lines(text))
        *lines, rest = (getattr(self._here, "rest", "") + text).split("\n")
        if len(rest) > LINE_CHARACTERS:  # or each further piece of a line without an end would copy all of it again
            _, returned, now = rest.rpartition("\r")  # a bar that is drawn over itself: what stands there now
            lines, rest = (lines, now) if returned else ([*lines, rest], "")
        self._here.rest = rest
        self._here.busy = True
        try:
            for line in filter(None, lines):
                printed.info("%s", line)
        finally:
            self._here.busy = False
        return len(text)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        if getattr(self._here, "rest", ""):
            self.write("\n")

    def fileno(self) -> int:
        return self.instead_of.fileno()

    def reconfigure(self, **options: Any) -> None:
        """Lines are lines, whatever a job asks for."""

    def close(self) -> None:
        """It is the process's, and others print after this job."""


class Bytes(io.BufferedIOBase):
    """``sys.stdout.buffer``: bytes that a job writes are text as well; what is no UTF-8 is shown as escapes."""

    def __init__(self, text: Printed) -> None:
        self._text, self._here = text, threading.local()
        self.name, self.raw = text.name, self

    def write(self, data: Any) -> int:
        decoder = self._here.__dict__.setdefault("decoder", codecs.getincrementaldecoder("utf-8")("backslashreplace"))
        self._text.write(decoder.decode(data := bytes(data)))
        return len(data)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        self._text.flush()

    def fileno(self) -> int:
        return self._text.fileno()

    def close(self) -> None:
        """As of the text."""


def connect() -> None:
    """In our workers: prints become lines of a job's log, and what Celery's logger for tasks gets goes to ours."""
    worker_process_init.connect(capture_prints)
    worker_ready.connect(capture_prints)
    after_setup_task_logger.connect(format_celery_logs)


def capture_prints(**_: Any) -> None:
    """In children, and in a worker that has none; the parent of children hands on a stream that is a stand-in."""
    if not isinstance(sys.stdout, Printed):
        sys.stdout, sys.stderr = Printed(sys.stdout), Printed(sys.stderr)


def format_celery_logs(logger: logging.Logger, **_: Any) -> None:
    """What ``get_task_logger`` gives writes where all others do; Celery's own knows no job, and hides nothing."""
    logger.handlers.clear()
    logger.propagate = True


@task_prerun.connect
def work_for(task_id: str = "", task: Any = None, **_: Any) -> None:
    if not is_ours(task.app):
        return
    request_id.set(str(getattr(task.request, REQUEST, None) or "")[:64])
    job_id.set(str(task_id or ""))


@task_postrun.connect
def work_is_over(task_id: str = "", task: Any = None, **_: Any) -> None:
    if not is_ours(task.app):
        return
    sys.stdout.flush()
    forget(str(task_id or ""))
    request_id.set("")
    job_id.set("")

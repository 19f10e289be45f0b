"""Why an attempt ended badly, or a request was refused, in words fit to be stored and shown."""

import hashlib
import re
import traceback as tracebacks
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from tasks.engine import storable
from tasks.engine.models import Job

OURS = [["tasks", "worker"], ["celery", "app"], ["asyncio", "runners"]]


class Refused(Exception):
    """What was asked cannot be done; ``code`` names the problem, the text says it in one sentence."""

    code = "refused"


class NotInState(Refused):
    """The job is in no state that allows this; ``job`` is what is true instead."""

    code = "not-in-this-state"

    def __init__(self, job: Job, sentence: str) -> None:
        super().__init__(sentence)
        self.job = job


class KeyReused(Refused):
    """The idempotency key belongs to another request."""

    code = "key-reused"


class Failure(NamedTuple):
    """Why an attempt ended badly; ``key`` is the same for failures that differ only in numbers and names."""

    error: str
    traceback: str = ""
    key: str = ""

    @classmethod
    def of(cls, error: BaseException, hide: Callable[[str], str] = str) -> "Failure":
        """From an exception; ``hide`` takes secrets out of both texts."""
        shown = f"{type(error).__name__}: {storable.shown(error)}".rstrip(": ")
        trace = "".join(tracebacks.format_exception(type(error), error, _own_code(error)))
        return cls(
            storable.text(hide(shown), 2_000),
            storable.text(hide(trace)[-60_000:], 60_000),
            hashlib.sha256(pattern(hide(shown)).encode(errors="replace")).hexdigest()[:32],
        )

    @classmethod
    def said(cls, sentence: str) -> "Failure":
        """From a sentence of our own, such as that the worker died."""
        return cls(sentence, key=hashlib.sha256(sentence.encode()).hexdigest()[:32])


def pattern(error: str) -> str:
    """What is the same in errors that differ only in numbers and quoted names."""
    return re.sub(r"0x[0-9a-f]+|\d+|'[^']*'|\"[^\"]*\"", "…", error)


def _own_code(error: BaseException) -> TracebackType | None:
    """The traceback from the job's own code on: what calls it is the same for every job."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_globals.get("__name__", "").split(".")[0:2] in OURS:
        trace = trace.tb_next
    return trace or error.__traceback__

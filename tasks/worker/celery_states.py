"""A job in Celery's words: its state, also one of its own (``update_state``), and the exception that it raised."""

import builtins
import importlib
import re
import sys
from ast import literal_eval
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from celery import states
from celery.contrib.abortable import ABORTED, AbortableTask
from celery.exceptions import SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded, WorkerLostError

from tasks.engine import creation, registry
from tasks.engine.celery_app import app
from tasks.engine.models import Job, State
from tasks.engine.report import RAISED, STATE
from tasks.params.typed import restored

WORDS = {
    State.RUNNING: states.STARTED, State.RETRYING: states.RETRY, State.SUCCEEDED: states.SUCCESS,
    State.FAILED: states.FAILURE, State.CANCELLED: states.REVOKED,
}  # fmt: skip
SAID: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Exception]], ...] = (  # errors in our words, in Celery's
    (re.compile(r"Time limit: the job was stopped after (\S+) s"), lambda found: TimeLimitExceeded(_number(found[1]))),
    (re.compile(r"Time limit: it ran for more than"), lambda found: SoftTimeLimitExceeded()),
    (
        re.compile(r"The process that ran the job died.*|The worker died\.", re.DOTALL),
        lambda found: WorkerLostError(found[0]),
    ),
)
IGNORED, REJECTED = "ignored by the task", "rejected by the task"  # reasons of a cancel


def state_of(job: Job | None) -> str:
    """PENDING for a job that waits, or that is not there."""
    if job is None:
        return states.PENDING
    if own := state_of_its_own(job):
        return own[0]
    if job.state == State.CANCELLED and job.cancel_reason in (IGNORED, REJECTED):
        return states.IGNORED if job.cancel_reason == IGNORED else states.REJECTED
    return WORDS.get(job.state, states.PENDING)


def state_of_its_own(job: Job) -> tuple[str, Any] | None:
    """State and meta that the code has given to ``update_state``: of an attempt that runs, or that said ``Ignore``."""
    attempt, *own = (job.headers or {}).get(STATE) or [None]
    if job.state == State.RUNNING and job.cancel_requested_at and _can_be_aborted(job):
        return ABORTED, None
    stays = job.state == State.RUNNING or (job.state == State.CANCELLED and job.cancel_reason == IGNORED)
    return (str(own[0]), restored(own[1])) if stays and attempt == job.attempt else None


def _can_be_aborted(job: Job) -> bool:
    """Whether its code asks by ``is_aborted()``, as Celery's AbortableTask does, if it shall stop."""
    return isinstance(app.tasks.get(registry.celery_name(job.kind)), AbortableTask)


def meta_of(job: Job | None) -> dict[str, Any]:
    """What Celery's results are read from: ``status``, ``result``, ``traceback``, and what is known of the call."""
    status = state_of(job)
    if job is None:
        return {"status": status, "result": None}
    if own := state_of_its_own(job):
        result = own[1]
    elif job.state in (State.FAILED, State.CANCELLED):
        result = raised(job)
    else:
        result = raised(job) if job.error else restored(job.result)
    shown = {"status": status, "result": result, "traceback": job.traceback or None, "task_id": str(job.uid)}
    about = {
        "name": registry.celery_name(job.kind),
        **call_of(job),
        "queue": job.queue,
        "worker": job.worker,
    }
    return {**shown, **about, "retries": job.failures, "date_done": job.finished_at}


def call_of(job: Job) -> dict[str, Any]:
    """``args`` and ``kwargs`` of a job as its call gave them. Secrets are masked."""
    kind = registry.find(job.kind)
    args, kwargs = kind.signature.arguments(creation.referred(job.params)) if kind else ([], dict(job.params))
    return {"args": args, "kwargs": kwargs}


def raised(job: Job) -> Exception:
    """What a job that has ended raised: of its own class where that can be imported, with its arguments as JSON has
    them. Else a RuntimeError with the class's name before the text."""
    if job.state == State.CANCELLED and not job.error:
        return TaskRevokedError(job.cancel_reason or "The job was cancelled.")
    for sentence, made_of in SAID:
        if found := sentence.match(job.error):
            return made_of(found)
    name, _, message = job.error.partition(": ")
    found = _class_of(name, job.traceback, job.kind) if name.isidentifier() else None
    made: Exception | None = None
    for args in _arguments(job, found, message) if found else ():
        for make in (found, partial(found.__new__, found)):
            with suppress(Exception):
                candidate = make(*args)
                if (text := str(candidate)) == message:
                    return candidate
                made = made or (candidate if text else None)
    if made is None and found is not None:
        with suppress(Exception):
            made = _saying(found, message)
    return made or RuntimeError(job.error or f"The job was {job.state}.")


def _saying(kind: type[Exception], text: str) -> Exception:
    """An exception for ``except kind``, of which only the text is known: its class wants more than that."""
    about = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__str__": lambda self: text}
    made = type(kind.__name__, (kind,), about)
    return made.__new__(made, text)


def _number(text: str) -> float:
    """Seconds as they were given: a whole number is one."""
    return int(seconds) if (seconds := float(text)).is_integer() else seconds


def _arguments(job: Job, kind: type[Exception], message: str) -> Iterator[tuple[Any, ...]]:
    """What its exception may have been made of: what was kept beside the text, and what the text tells."""
    attempt, *kept = (job.headers or {}).get(RAISED) or [None]
    if kept and attempt == job.attempt:
        yield tuple(restored(kept[0]))
    with suppress(Exception):
        yield _args_of(kind, message)


def _args_of(kind: type[Exception], message: str) -> tuple[Any, ...]:
    """The arguments of an exception whose text is known. Python writes several as a tuple, and that of KeyError as
    its ``repr``."""
    if issubclass(kind, KeyError):
        return (literal_eval(message),)
    if message.startswith("("):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            if isinstance(several := literal_eval(message), tuple) and len(several) > 1:
                return several
    return (message,) * bool(message)


def _class_of(name: str, traceback: str, kind: str) -> type[Exception] | None:
    """The class that a traceback ends with. Of what is not imported yet, only the kind's own package is."""
    where = re.findall(rf"^((?:\w+\.)*){name}(?::|$)", traceback, re.MULTILINE)
    module, qualified = where[-1].rstrip(".") if where else "", [name]
    while module and not _is_there(module, kind):
        module, _, outer = module.rpartition(".")
        qualified.insert(0, outer)
    found: Any = sys.modules.get(module) if module else builtins
    for part in qualified:
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _is_there(module: str, kind: str) -> bool:
    """Whether a module is imported. One beside the kind's own is imported: a text is no reason to import another."""
    known = registry.find(kind)
    beside = known.where.rsplit(".", 2)[0] if known and known.where.count(".") > 1 else None
    if module not in sys.modules and beside and module.startswith(f"{beside}."):
        with suppress(Exception):
            importlib.import_module(module)
    return module in sys.modules

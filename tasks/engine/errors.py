"""Failures of attempts and refusals of requests, as texts that can be stored and shown."""

import hashlib
import linecache
import re
import sysconfig
import traceback as tracebacks
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

from tasks.engine import storable
from tasks.engine.models import Job

LIBRARIES = (*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")), "<")
# Quoted words, addresses, paths, and words with a digit: ids, hashes, numbers and times.
VARYING = re.compile(
    r"(?<!\w)'[^'\n]{0,500}'|\"[^\"\n]{0,500}\"|`[^`\n]{0,500}`"
    r"|\b[a-z][a-z0-9+.-]{0,20}://[^\s'\"<>]+|\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
    r"|(?<![\w/])(?:[A-Za-z]:)?[/\\][\w.@~+-]+(?:[/\\][\w.@~+-]+)*"
    r"|\b[0-9a-f]{8,64}\b|(?<!\w)[^\W\d]*\d\w*(?:[-.:][\w]*\d\w*)*",
)
REPEATED = re.compile(r"…(?:[\s.:,/_-]?…)+")
OURS = [["tasks", "worker"], ["celery", "app"], ["asyncio", "runners"]]
MESSAGE = 10_000  # characters of an exception's text; what comes before it in a traceback is worth more
DEEPEST = 20  # exceptions that led to each other
MOST = 500  # of them, and of those in groups, that are written out


class Refused(Exception):
    """The request cannot be carried out. ``code`` names the problem; the text is one sentence about it."""

    code = "refused"


class NotInState(Refused):
    """The job's state does not allow this. ``job`` is the job as it is now."""

    code = "not-in-this-state"

    def __init__(self, job: Job, sentence: str) -> None:
        super().__init__(sentence)
        self.job = job


class KeyReused(Refused):
    """The idempotency key belongs to another request."""

    code = "key-reused"


class Failure(NamedTuple):
    """Why an attempt ended badly. ``key`` groups failures: one class, raised in one line of a team's own code, with a
    message that differs only in what ``pattern`` blanks."""

    error: str
    traceback: str = ""
    key: str = ""

    @classmethod
    def of(cls, error: BaseException, hide: Callable[[str], str] = str) -> "Failure":
        """From an exception; ``hide`` takes secrets out of both texts. Raises nothing, whatever the exception does."""
        message = hide(storable.describe_value(error))
        shown = f"{name_of(error)}: {message[:MESSAGE]}".rstrip(": ")
        trace = hide(traceback(error))
        if len(message) > MESSAGE:
            trace = trace.replace(message, message[:MESSAGE] + "…")
        return cls(
            storable.text(shown, 2_000),
            storable.text(trace[-60_000:], 60_000),
            hashlib.sha256(f"{_place(error)}\n{pattern(shown)}".encode(errors="replace")).hexdigest()[:32],
        )

    @classmethod
    def said(cls, sentence: str) -> "Failure":
        """From a sentence of our own, such as that the worker died."""
        return cls(sentence, key=hashlib.sha256(sentence.encode()).hexdigest()[:32])


def pattern(error: str) -> str:
    """Blank ids, hashes, addresses, paths, times, numbers and quoted words, so that similar errors are equal."""
    return REPEATED.sub("…", VARYING.sub("…", error))


def _place(error: BaseException) -> str:
    """Where the job's own code raised it, as module, function and line of source: what an edit elsewhere leaves alone.

    Code of libraries does not count, unless there is nothing else.
    """
    try:
        frames = [*tracebacks.walk_tb(_own_code(error))]
        own = [each for each in frames if not each[0].f_code.co_filename.startswith(LIBRARIES)]
        frame, line = (own or [(None, 0)])[-1]
        if frame is None:
            return ""
        code = frame.f_code
        source = linecache.getline(code.co_filename, line, frame.f_globals).strip()
        return f"{frame.f_globals.get('__name__')}.{code.co_qualname} {source}"
    except BaseException:  # the job's own globals may answer as they like
        return ""


def traceback(error: BaseException) -> str:
    """Return the traceback from the job's own code on. An exception that breaks this gets a plainer one, as does one
    with too many others behind it."""
    try:
        if is_vast(error):
            raise OverflowError
        return "".join(tracebacks.format_exception(type(error), error, _own_code(error)))
    except BaseException:  # formatting calls methods of the exception, which are code of the job and may raise anything
        return "\nwhich led to\n\n".join(reversed([*_plainly(error)]))


def _plainly(error: BaseException | None) -> Iterator[str]:
    """Yield a traceback for the exception and for each of its causes. Uses only what no class can override."""
    for _ in range(DEEPEST):
        if error is None:
            return
        frames = "".join(tracebacks.format_tb(_own_code(error)))
        yield f"Traceback (most recent call last):\n{frames}{name_of(error)}: {storable.describe_value(error)}\n"
        error = _of(error, "__cause__") or (None if _of(error, "__suppress_context__") else _of(error, "__context__"))


def is_vast(error: BaseException) -> bool:
    """Whether more exceptions led to this one, or stand in it as a group, than anybody would read: each is written."""
    found, seen = [error], {id(error)}
    for each in found:
        inside = BaseExceptionGroup.exceptions.__get__(each) if issubclass(type(each), BaseExceptionGroup) else ()
        for other in (_of(each, "__cause__"), _of(each, "__context__"), *inside[: MOST + 1]):
            if other is not None and id(other) not in seen:
                found.append(other)
                seen.add(id(other))
        if len(found) > MOST:
            return True
    return False


def _own_code(error: BaseException) -> TracebackType | None:
    """Return the traceback from the job's own code on. The frames before it are the same for every job."""
    whole = trace = _of(error, "__traceback__")
    while trace and trace.tb_frame.f_globals.get("__name__", "").split(".")[0:2] in OURS:
        trace = trace.tb_next
    return trace or whole


def name_of(error: BaseException) -> str:
    """Return the name of the exception's class, even if its metaclass overrides ``__name__``."""
    return type.__dict__["__name__"].__get__(type(error))


def _of(error: BaseException, name: str) -> Any:
    return getattr(BaseException, name).__get__(error)

"""The kinds of job this process knows, by name. Filled by the @job decorator; read by forms, API and lifecycle.

A kind goes by the name that was given with ``name=``, or by its function's name. It also answers to the name that
Celery gives the task: ``module.function``. Two functions of one name go by their dotted names only.
"""

import inspect
import os
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from tasks.engine import titles
from tasks.params.signature import Signature


class UnknownKind(LookupError):
    """No kind of that name is registered in this process."""


NAME, QUEUE = 200, 100  # characters, as the columns of a job have room
ENDLESS = 1_000_000  # attempts, where Celery says max_retries=None
MEANINGS = {"on_lost": ("retry", "fail"), "effects": ("none", "idempotent", "once")}


@dataclass
class Kind:
    """The settings of a kind of job: its queue, its number of attempts, whether it may be repeated.

    While kinds are registered, names that clash and Celery's settings complete them. Nothing changes them afterwards.
    """

    name: str
    signature: Signature
    celery_name: str = ""  # of its task: what was given with name=, else ``module.function``
    dotted: str = ""  # ``module.function``
    named: bool = False  # its name was chosen, so it gives way to no other
    where: str = ""  # module and function
    place: str = ""  # file and line
    doc: str = ""
    queue: str = "default"
    routed: bool = False  # it names no queue of its own: tasks.engine.routing finds one for each job
    priority: int = 5
    max_attempts: int = 4
    bound: bool = False  # whether its function gets the task itself
    own_retries: bool = False  # False: an own failure is final, only losses are tried again
    on_lost: str = "retry"  # or "fail"
    effects: str = "idempotent"  # or "none", "once"
    lease: float | None = None  # seconds; None: SIGNALBOX_LEASE_S
    soft_time_limit: float | None = None
    time_limit: float | None = None
    expires: Any = None  # seconds from the call on, or a moment; what waits longer is cancelled
    cancel_grace: float | None = None  # seconds after a cancel until the process is stopped; None: never
    serial_key: str | Callable[..., str] | None = None  # a format string over the parameters, or a function of them
    title: str | None = None  # a format over the parameters; None: the first short ones
    rate_limit: str | None = None  # as Celery has it
    open: bool = True  # people and tokens may submit it; the code of a job may anyhow
    quiet: bool = False  # a chore: succeeded runs are kept shortly and stay off the board
    retry: Mapping[str, Any] = field(default_factory=dict)  # for readers: Celery's own options as given

    def __post_init__(self) -> None:
        """Raise TypeError for settings that would fail only when a job runs, or silently."""
        for what, text, most in (("name", self.name, NAME), ("queue", self.queue, QUEUE)):
            if not is_name(text, most):
                raise TypeError(f"{self.where}: its {what} is a text of 1 to {most} printable characters")
        for name, words in MEANINGS.items():
            if (given := getattr(self, name)) not in words:
                raise TypeError(f"{self.where}: {name} is one of {', '.join(words)}, and not {given!r}")
        for name in ("lease", "cancel_grace", "time_limit", "soft_time_limit"):
            if (given := getattr(self, name)) is not None and not (isinstance(given, (int, float)) and given >= 0):
                raise TypeError(f"{self.where}: {name} is a number of seconds, and not {given!r}")
        if self.priority not in range(10):
            raise TypeError(f"{self.where}: priority is a whole number from 0 to 9, and not {self.priority!r}")
        try:
            titles.check_title(self.title, self.signature)
        except TypeError as wrong:
            raise TypeError(f"{self.where}: {wrong}") from None
        if isinstance(self.serial_key, str) and self.signature.extra is None:
            names = {
                re.split(r"[.\[]", name)[0] for _, name, *_ in Formatter().parse(self.serial_key) if name is not None
            }
            if unknown := sorted(names - {field.name for field in self.signature.fields}):
                raise TypeError(f"{self.where}: serial_key names {unknown[0]!r}, which is no parameter of the job")

    def title_of(self, params: Mapping[str, Any]) -> str:
        return titles.title_of(self.title, params, self.signature.secrets)

    def serial_key_of(self, params: Mapping[str, Any]) -> str:
        if self.serial_key is None:
            return ""
        key = self.serial_key(**params) if callable(self.serial_key) else self.serial_key.format(**params)
        return f"{self.name}:{key}"[:200]


def is_name(text: Any, most: int) -> bool:
    """Whether a column can hold it and people can read it."""
    return isinstance(text, str) and 0 < len(text) <= most and text.isprintable() and text == text.strip()


further_queues: set[str] = set()  # that the project's settings name, beside those of kinds
_kinds: dict[str, Kind] = {}  # by their own names
_dotted: dict[str, Kind] = {}  # by ``module.function``
_shared: dict[str, set[str]] = {}  # names of functions that are no kind's name, since several have them
refused: list[str] = []  # a sentence for each invalid kind; project.apps stops the start with them


def place(function: Callable[..., Any]) -> str:
    """Return "file:line" of a function, relative to the working directory."""
    code = inspect.unwrap(function).__code__
    return f"{os.path.relpath(code.co_filename)}:{code.co_firstlineno}"


def register(kind: Kind) -> None:
    """Add a kind. Two functions of one name both go by their dotted names from then on.

    TypeError for two kinds whose chosen names are the same, since one of the two would never run.
    """
    if (before := _dotted.get(kind.dotted)) is not None and before.celery_name == kind.celery_name:  # defined again
        _kinds.pop(before.name, None)
    known = _kinds.get(kind.name)
    if known and known.named and kind.named and known.where.rpartition(".")[0] != kind.where.rpartition(".")[0]:
        raise TypeError(f"{kind.where}: {known.where} is named {kind.name!r} already; give one of them a name=")
    if known and not known.named:
        _shared.setdefault(kind.name, set()).update({known.dotted} if kind.named else {known.dotted, kind.dotted})
        del _kinds[kind.name]
        _add(known, known.dotted)
    _add(kind, kind.name if kind.named or not (known or kind.name in _shared) else kind.dotted)


def _add(kind: Kind, name: str) -> None:
    if name != kind.name:
        _shared.setdefault(kind.name, set()).add(kind.dotted)
        kind.name = name  # its task holds this very object
    _kinds[name] = kind
    if kind.dotted == kind.celery_name or kind.dotted not in _dotted:
        _dotted[kind.dotted] = kind


def stand_for(name: str, kind: Kind) -> None:
    """Let a kind do the work of one of Celery's own tasks. Only code submits it, as it calls any other kind."""
    _dotted[name] = kind
    kind.open = False


def find(name: str) -> Kind | None:
    """The kind that answers to a name, its own or Celery's ``module.function``; None if there is none."""
    return _kinds.get(name) or _dotted.get(name) if isinstance(name, str) else None


def get(name: str) -> Kind:
    """The same; UnknownKind says what is wrong with a name that no kind answers to."""
    if (kind := find(name)) is not None:
        return kind
    if isinstance(name, str) and (several := sorted(_shared.get(name, ()))):
        raise UnknownKind(f"Several kinds have a function named {name!r}. Give the whole name: {' or '.join(several)}.")
    raise UnknownKind(f"There is no kind of job named {name!r}.")


def own_name(name: str) -> str:
    """The name that rows have: of the kind that answers to ``name``, or ``name`` itself if there is none."""
    kind = find(name)
    return kind.name if kind else name


def celery_name(name: str) -> str:
    """The name of the task of a kind; a kind this process does not know goes by its own name."""
    kind = find(name)
    return kind.celery_name or kind.name if kind else name


def knows(name: str) -> bool:
    return name in _kinds or name in _dotted


def repeatable(name: str) -> bool:
    """Whether a lost job of that kind may be tried again; a kind this process does not know may."""
    kind = find(name)
    return kind is None or kind.on_lost == "retry"


def is_chore(name: str) -> bool:
    kind = find(name)
    return kind is not None and kind.quiet


def title_of(kind: str, params: Mapping[str, Any]) -> str:
    """The title of a job, also of a kind that this process does not know."""
    return _kinds[kind].title_of(params) if kind in _kinds else titles.title_of(None, params)


def in_order(kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """Sort parameters as in the kind's signature, since PostgreSQL does not keep the order. Unknown ones come last."""
    if not isinstance(params, dict):  # what somebody else has stored there
        return params
    found = find(kind)
    known = [field.name for field in found.signature.fields] if found else []
    return {name: params[name] for name in known if name in params} | params


def kinds() -> list[Kind]:
    return sorted(_kinds.values(), key=lambda kind: kind.name)


def names() -> Set[str]:
    """All names that kinds answer to."""
    return _kinds.keys() | _dotted.keys()


def queues() -> list[str]:
    return sorted({kind.queue for kind in _kinds.values()} | {"default"} | further_queues)

"""The kinds of job this process knows, by name. Filled by the @job decorator; read by forms, API and lifecycle."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from tasks.params import Signature


class UnknownKind(LookupError):
    """No kind of that name is registered in this process."""


@dataclass(frozen=True)
class Kind:
    """What is true of every job of one kind: where it waits, how often it is tried, what repeating it means."""

    name: str
    signature: Signature
    doc: str = ""
    queue: str = "default"
    priority: int = 5
    max_attempts: int = 4
    own_retries: bool = False  # False: an own failure is final, only losses are tried again
    on_lost: str = "retry"  # or "fail"
    effects: str = "idempotent"  # or "none", "once"
    lease: float | None = None  # seconds; None: SIGNALBOX_LEASE_S
    soft_time_limit: float | None = None
    time_limit: float | None = None
    cancel_grace: float | None = None  # seconds after a cancel until the process is stopped; None: never
    serial_key: str | Callable[..., str] | None = None  # a format string over the parameters, or a function of them
    quiet: bool = False  # a chore: succeeded runs are kept shortly and stay off the board
    retry: Mapping[str, Any] = field(default_factory=dict)  # for readers: Celery's own options as given

    def serial_key_of(self, params: Mapping[str, Any]) -> str:
        if self.serial_key is None:
            return ""
        key = self.serial_key(**params) if callable(self.serial_key) else self.serial_key.format(**params)
        return f"{self.name}:{key}"[:200]


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _kinds[kind.name] = kind


def get(name: str) -> Kind:
    try:
        return _kinds[name]
    except (KeyError, TypeError):
        raise UnknownKind(f"There is no kind of job named {name!r}.") from None


def repeatable(name: str) -> bool:
    """Whether a lost job of that kind may be tried again; a kind this process does not know may."""
    return name not in _kinds or _kinds[name].on_lost == "retry"


def is_chore(name: str) -> bool:
    return name in _kinds and _kinds[name].quiet


def kinds() -> list[Kind]:
    return sorted(_kinds.values(), key=lambda kind: kind.name)


def names() -> Set[str]:
    return _kinds.keys()


def queues() -> list[str]:
    return sorted({kind.queue for kind in _kinds.values()} | {"default"})

"""Reads events of a foreign broker without trust: bytes come in, ``Event`` comes out, and everything else is counted.

Pure. Only JSON is read, after its content type was checked. Only known fields are kept, each with its type and its
greatest length. A client that can write to that broker can run code in the watched application, and must not here.
"""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NamedTuple

NAME, ID, TEXT = 200, 255, 64 * 1024  # characters
ENVELOPE = 16 * 1024 * 1024  # bytes of one message, which may hold a batch of events
BATCH = 20_000  # events of one message
DEEPEST = 20
LATEST = 4_000_000_000  # seconds: the year 2096


class Wrong(ValueError):
    """What came is no event; the text is the word under which it is counted."""


class Event(NamedTuple):
    """One event. ``at``: seconds since 1970, by the sender's clock. ``clock``: Lamport's, of the sender's process."""

    kind: str
    host: str
    pid: int
    clock: int
    at: float
    task: str  # the task's id, or "" for an event about a worker
    facts: dict[str, Any]


def text(limit: int, cut: bool = False) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or (len(value) > limit and not cut):
            raise Wrong("a field of another type or length")
        return value if len(value) <= limit else value[: limit - 1] + "…"

    return read


def integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62:
        raise Wrong("a field of another type or length")
    return value


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or abs(value) > 1e15:
        raise Wrong("a field of another type or length")
    return float(value)


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("a field of another type or length")
    return value


def signal(value: Any) -> str:
    return text(20)(value if isinstance(value, str) else str(integer(value)))


def loads(value: Any) -> list[float]:
    if not isinstance(value, list) or len(value) > 3:
        raise Wrong("a field of another type or length")
    return [number(each) for each in value]


IDENTITY, HOST = text(ID), text(NAME)
NAMED = {
    "name": text(NAME), "args": text(TEXT, cut=True), "kwargs": text(TEXT, cut=True), "root_id": text(ID),
    "parent_id": text(ID), "retries": integer, "eta": text(40), "expires": text(40),
}  # fmt: skip
FAILED = {"exception": text(TEXT, cut=True), "traceback": text(TEXT, cut=True)}
WORKER = {
    "freq": number, "active": integer, "processed": integer, "loadavg": loads, "sw_ident": text(100),
    "sw_ver": text(50), "sw_sys": text(50),
}  # fmt: skip
KNOWN: dict[str, dict[str, Callable[[Any], Any]]] = {
    "task-sent": {**NAMED, "queue": text(NAME), "exchange": text(NAME), "routing_key": text(NAME)},
    "task-received": NAMED,
    "task-started": {},
    "task-succeeded": {"result": text(TEXT, cut=True), "runtime": number},
    "task-failed": FAILED,
    "task-retried": FAILED,
    "task-rejected": {"requeue": flag},
    "task-revoked": {"terminated": flag, "signum": signal, "expired": flag},
    "worker-online": WORKER,
    "worker-heartbeat": WORKER,
    "worker-offline": WORKER,
}


def read_message(raw: bytes, dropped: Counter[str]) -> list[Event]:
    """The events of one message of Redis' transport. What is no event is counted in ``dropped``, by what was wrong."""
    try:
        envelope = parse(raw, ENVELOPE)
        if not isinstance(envelope, dict):
            raise Wrong("no envelope")
        properties = envelope.get("properties")
        encoding = properties.get("body_encoding") if isinstance(properties, dict) else None
        body = envelope.get("body")
        if not isinstance(body, str):
            raise Wrong("no envelope")
        return read_body(
            b64decode(body, validate=True) if encoding == "base64" else body.encode(),
            envelope.get("content-type"),
            envelope.get("content-encoding"),
            dropped,
        )
    except Wrong as wrong:
        dropped[str(wrong)] += 1
    except (ValueError, RecursionError):
        dropped["no JSON"] += 1
    return []


def read_body(body: bytes, content_type: Any, encoding: Any, dropped: Counter[str]) -> list[Event]:
    """The events of one message's body: one, or a list of them."""
    try:
        if content_type != "application/json" or str(encoding).lower() not in ("utf-8", "utf8", "us-ascii"):
            raise Wrong("no JSON")
        found = parse(body, ENVELOPE)
    except Wrong as wrong:
        dropped[str(wrong)] += 1
        return []
    except (ValueError, RecursionError):
        dropped["no JSON"] += 1
        return []
    found = found if isinstance(found, list) else [found]
    if len(found) > BATCH:
        dropped["too many at once"] += len(found) - BATCH
    events = []
    for each in found[:BATCH]:
        try:
            events.append(read_event(each))
        except Wrong as wrong:
            dropped[str(wrong)] += 1
    return events


def parse(raw: bytes, most: int) -> Any:
    """JSON without NaN, within a size and a depth. Raises Wrong, ValueError, RecursionError."""
    if len(raw) > most:
        raise Wrong("too long")
    return json.loads(raw, parse_constant=_refuse)


def _refuse(word: str) -> Any:
    raise Wrong("a number that is none")


def read_event(found: Any) -> Event:
    """One event. Raises Wrong."""
    if not isinstance(found, dict):
        raise Wrong("no event")
    kind = found.get("type")
    readers = KNOWN.get(kind) if isinstance(kind, str) else None
    if readers is None:
        raise Wrong("an unknown type")
    at = number(found.get("timestamp"))
    if not 0 < at < LATEST:
        raise Wrong("a time that is none")
    task = ""
    if kind.startswith("task-") and not (task := IDENTITY(found.get("uuid"))):
        raise Wrong("no id")
    host = HOST(found.get("hostname"))
    if not host:
        raise Wrong("no worker")
    facts = {}
    for name, read in readers.items():
        if (value := found.get(name)) is not None:
            facts[name] = read(value)
    return Event(kind, host, integer(found.get("pid") or 0), integer(found.get("clock") or 0), at, task, facts)


def is_shallow(value: Any, left: int = DEEPEST) -> bool:
    """Whether a JSON value has at most ``left`` levels."""
    if isinstance(value, Mapping):
        return left > 0 and all(is_shallow(each, left - 1) for each in value.values())
    if isinstance(value, list | tuple):
        return left > 0 and all(is_shallow(each, left - 1) for each in value)
    return True

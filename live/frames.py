"""How frames are written: JSON as ASCII text, so that its length is its size, never more than 512 KiB.

Pure text. Pieces are encoded once and joined for many sockets; other modules decide who gets which.
"""

import json
from itertools import accumulate
from typing import Any, NamedTuple

LIMIT = 512 * 1024
HEAD = 1024  # room for type, n, as_of, age and brackets
TEXT_LIMIT = 4_000  # characters of an error within a row: a row is a line on a page, the rest is in the job's detail
VALUE_LIMIT = 64 * 1024
MARKUP_LIMIT = 32 * 1024
EXTRA_LIMIT = 128 * 1024  # of all workers, or of all queues: rows must find room beside them


class Agreed(NamedTuple):
    """The last time at which the picture is known to agree with the database, as UTC text and as monotonic seconds."""

    as_of: str
    at: float


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dumps(value: Any) -> str:
    """Write standard JSON. A value that JSON cannot express (NaN, a foreign object) becomes a note that says so."""
    try:
        return _encode(value)
    except (TypeError, ValueError) as error:
        return _encode({"note": f"not shown: {error}"})


def row(summary: dict[str, Any]) -> str:
    """Write a summary for a frame; long texts are cut."""
    return dumps({name: cut(value) for name, value in (summary | {"progress": cut_in(summary["progress"])}).items()})


def cut(value: Any) -> Any:
    """A long text ends with an ellipsis; everything else is as it was."""
    return value[:TEXT_LIMIT] + "…" if isinstance(value, str) and len(value) > TEXT_LIMIT else value


def cut_in(progress: dict[str, Any]) -> dict[str, Any]:
    return {name: cut(value) for name, value in progress.items()}


def counts(value: Any) -> str:
    """Statistics, workers or queues; of a list as many as fit, from the first on: the API has more."""
    text = dumps(value)
    if len(text) <= EXTRA_LIMIT or not isinstance(value, list):
        return text
    sizes = accumulate(len(dumps(item)) + 1 for item in value)
    return dumps([item for item, size in zip(value, sizes, strict=True) if size < EXTRA_LIMIT])


def value(thing: Any) -> str:
    """Parameters or a result; a large one is replaced by a note that says its size (the API has it whole)."""
    text = dumps(thing)
    if len(text) <= VALUE_LIMIT:
        return text
    return dumps({"note": f"{len(text)} bytes: too large to show here", "bytes": len(text)})


def markup(html: str) -> str:
    """A piece of a page, or null where it would take too much of a frame: then the page asks for it."""
    text = dumps(html)
    return text if len(text) <= MARKUP_LIMIT else "null"


def frame(kind: str, n: int | None, *members: str) -> str:
    """One frame of ready members such as ``"jobs":[…]``; empty ones are left out."""
    head = f'"type":"{kind}"' if n is None else f'"type":"{kind}","n":{n}'
    return "{" + ",".join([head, *filter(None, members)]) + "}"


def age(now: float, agreed: Agreed) -> tuple[str, str]:
    """The members that say when the picture was true."""
    return f'"as_of":"{agreed.as_of}"', f'"age":{now - agreed.at:.4f}'


def beat(now: float, agreed: Agreed, every: float) -> str:
    return frame("beat", None, *age(now, agreed), f'"every":{every:g}')


def error(code: str, detail: str, **more: str) -> str:
    """Write an error frame. It never repeats more text than the client has sent."""
    members = {"code": code, "detail": detail} | more
    return frame("error", None, *(f'"{name}":{dumps(text)}' for name, text in members.items()))

"""The values of orders, read strictly: each has a type and bounds, and what is not known is refused.

Pure. ``Invalid`` names each wrong field with a sentence.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tasks.observe.events import NAME, is_shallow

RATE = re.compile(r"\d{1,6}(\.\d{1,3})?(/[smh])?")
CELERYS = {"task_name": "kind", "rate_limit": "rate", "destination": "worker"}  # its own words for the same


class Invalid(ValueError):
    """``errors``: field → sentences."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(" ".join(sentence for some in errors.values() for sentence in some))
        self.errors = errors


def name(value: Any) -> str:
    if not (isinstance(value, str) and 0 < len(value) <= NAME and value.isprintable()):
        raise ValueError(f"It is a text of 1 to {NAME} printable characters.")
    return value


def rate(value: Any) -> str:
    if not (isinstance(value, str) and RATE.fullmatch(value)):
        raise ValueError("It is a number, with /s, /m or /h for a rate: 10/m. 0 means no limit.")
    return value


def seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 10**7:
        raise ValueError("It is a number of seconds above 0.")
    return value


def count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000:
        raise ValueError("It is a whole number from 1 to 1000.")
    return value


Reader = Callable[[Any], Any]
MUST: dict[str, dict[str, Reader]] = {
    "rate_limit": {"kind": name, "rate": rate},
    "time_limit": {"kind": name},
    "pool_grow": {"n": count},
    "pool_shrink": {"n": count},
    "add_consumer": {"queue": name},
    "cancel_consumer": {"queue": name},
    "shutdown": {"worker": name},
    "purge": {"queue": name},
}
ORDERS = tuple(MUST)
MAY: dict[str, dict[str, Reader]] = {"time_limit": {"soft": seconds, "hard": seconds}}
FOR_ONE = {"worker": name}  # to one worker; without it to all


def order(word: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The values of an order. Invalid."""
    if not isinstance(word, str) or word not in ORDERS:
        raise Invalid({"order": [f"It is one of {', '.join(ORDERS)}."]})
    given = {CELERYS.get(field, field): value for field, value in given.items()}
    known = MUST[word] | MAY.get(word, {}) | (FOR_ONE if word != "purge" else {})
    errors: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    for field in given.keys() - known.keys():
        errors[str(field)[:NAME]] = [f"The order {word} has no such field; it has {', '.join(known)}."]
    for field, reader in known.items():
        if given.get(field) is None:
            if field in MUST[word]:
                errors[field] = ["It is missing."]
            continue
        try:
            found[field] = reader(given[field])
        except ValueError as wrong:
            errors[field] = [str(wrong)]
    if word == "time_limit" and not errors and not ({"soft", "hard"} & found.keys()):
        errors["hard"] = ["A soft or a hard limit is needed."]
    if errors:
        raise Invalid(errors)
    return found


def again(kind: str, queue: str, args: Any, kwargs: Any) -> dict[str, Any]:
    """What is sent when a task is run again: its new id, kind and queue. Invalid unless the arguments are JSON."""
    if not (isinstance(args, list) and isinstance(kwargs, dict) and is_shallow(args) and is_shallow(kwargs)):
        raise Invalid({"args": ["Arguments are a list, and an object of named ones."]})
    return {"task": str(uuid4()), "kind": kind, "queue": queue}

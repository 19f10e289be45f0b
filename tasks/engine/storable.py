"""Values as every database can store them: JSON without NaN, NUL or lone surrogates, within a size."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

RESULT_BYTES = 512 * 1024
DEEPEST = 200  # levels of a result


def text(value: str, limit: int) -> str:
    """``value`` without characters that PostgreSQL refuses, cut to ``limit`` characters with a mark."""
    value = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return value if len(value) <= limit else value[: limit - 1] + "…"


def result(value: Any, hide: Callable[[str], str] = str) -> Any:
    """A job's result as JSON; what is too large, as a note that says so. ``hide`` takes secrets out of its texts.

    Dates, Decimals and UUIDs are written as Django writes them, sets as lists, dataclasses as objects, an Enum as its
    value. Anything else that has no JSON is kept as its ``repr``, and the rest of the result around it as it is.
    """
    try:
        plain = _plain(value, hide)
        size = len(json.dumps(plain))
        if size > RESULT_BYTES:
            return f"(a result of {size:,} bytes was not kept: at most {RESULT_BYTES:,} are)"
        return plain
    except BaseException:  # code of the job's own may be asked here, and raise whatever it likes
        return text(hide(shown(value, repr)), 2_000)


def shown(value: Any, say: Callable[[Any], str] = str) -> str:
    """``str`` of something that may refuse to be shown: a number too long, a list too deep, an error in its method."""
    try:
        return say(value)
    except BaseException:
        return f"({type.__dict__['__name__'].__get__(type(value))}, which cannot be shown)"


def _plain(value: Any, hide: Callable[[str], str], depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise ValueError("a result that deep may hold itself")
    match value:
        case None | bool():
            return value
        case Enum():
            return _plain(value.value, hide, depth + 1)
        case str():
            return text(hide(value), RESULT_BYTES)
        case int():
            return int(value)
        case float() if isfinite(value):
            return float(value)
        case dict():
            return {_name(key, hide): _plain(item, hide, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item, hide, depth + 1) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name), hide, depth + 1) for each in fields(value)}
    try:
        return text(hide(DjangoJSONEncoder().default(value)), RESULT_BYTES)
    except BaseException:
        return text(hide(shown(value, repr)), 2_000)


def _name(key: Any, hide: Callable[[str], str]) -> str:
    """A key as JSON has it: ``None`` is null there, and 1 is "1"."""
    plain = _plain(key, hide)
    return plain if isinstance(plain, str) else json.dumps(plain)

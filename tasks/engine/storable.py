"""Values as every database can store them: JSON without NaN, NUL or lone surrogates, within a size."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite, log10
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from tasks.params.typed import Typed, typed

RESULT_BYTES = 512 * 1024
DEEPEST = 200  # levels of a result
BITS = 14_000  # of a whole number; Python reads and writes 4,300 digits


def text(value: str, limit: int) -> str:
    """``value`` without characters that PostgreSQL refuses, cut to ``limit`` characters with a mark."""
    if not value.isascii() or "\x00" in value:  # most texts need no copy
        value = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return value if len(value) <= limit else value[: limit - 1] + "…"


def texts(value: Any) -> list[str]:
    """The texts in what should be a list of them, and was stored by somebody else."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def result(value: Any, hide: Callable[[str], str] = str) -> Any:
    """Convert a job's result to JSON, or to a note if it is too large. ``hide`` masks secrets in its texts.

    Dates, Decimals, UUIDs and what else Celery's JSON carries are texts whose type stays known. Sets are lists,
    dataclasses objects, an Enum its value. Anything else that has no JSON is kept as its ``repr``, and the rest of the
    result around it as it is.
    """
    try:
        plain = _Writer(hide).plain(value)
        size = len(json.dumps(plain))
    except _TooLarge:
        return f"(a result of more than {RESULT_BYTES:,} bytes was not kept)"
    return plain if size <= RESULT_BYTES else f"(a result of {size:,} bytes was not kept: at most {RESULT_BYTES:,} are)"


def describe_value(value: Any, say: Callable[[Any], str] = str) -> str:
    """Return ``str(value)``, also if that raises: for a number too long, a list too deep, an error in a method."""
    try:
        return say(value)
    except BaseException:
        return f"({type.__dict__['__name__'].__get__(type(value))}, which cannot be shown)"


class _TooLarge(Exception):
    pass


class _Writer:
    """Writes one value. It may call methods of the job's own classes, which can raise anything."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._left = RESULT_BYTES  # a list may hold one other a thousand times, and that one a third
        self._around: list[int] = []  # id() of what holds the present value

    def plain(self, value: Any) -> Any:
        self._left -= 2  # no value and its comma are shorter
        if self._left < 0:
            raise _TooLarge
        if id(value) in self._around or len(self._around) > DEEPEST:
            return self._words(value)
        self._around.append(id(value))
        try:
            return self._plain(value)
        except _TooLarge:
            raise
        except BaseException:
            return self._words(value)
        finally:
            self._around.pop()

    def _plain(self, value: Any) -> Any:
        match value:
            case None | bool():
                return value
            case Enum():
                return self.plain(value.value)
            case Typed():
                return self._typed(value)
            case str():
                return self._text(value, RESULT_BYTES)
            case int():
                return int(value) if value.bit_length() <= BITS else _in_short(value)
            case float() if isfinite(value):
                return float(value)
            case dict():
                return self._object(value.items())
            case list() | tuple() | set() | frozenset():
                return [self.plain(item) for item in value]
        if _is_call(value):
            return self.plain(value.as_tuple())
        if is_dataclass(value) and not isinstance(value, type):
            return self._object((each.name, getattr(value, each.name)) for each in fields(value))
        try:
            return self._typed(typed(value))
        except (TypeError, ValueError):
            return self._text(DjangoJSONEncoder().default(value), RESULT_BYTES)

    def _typed(self, value: Any) -> Any:
        """A value that Celery's JSON carries: its type stays known, unless a secret was taken out of it."""
        if not isinstance(value, Typed):
            return self.plain(value)
        text = self._text(value, RESULT_BYTES)
        return Typed(text, value.type) if text == value else text

    def _object(self, items: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
        """Convert a dict. Keys become texts as in JSON: 1 is "1". Two keys with the same text are both kept."""
        written: dict[str, Any] = {}
        for key, item in items:
            plain = self.plain(key)
            name = plain if isinstance(plain, str) else json.dumps(plain)
            while name in written:
                name = f"{name} ({type(key).__name__})"
            written[name] = self.plain(item)
        return written

    def _words(self, value: Any) -> str:
        return self._text(describe_value(value, repr), 2_000)

    def _text(self, value: str, limit: int) -> str:
        written = text(self._hide(value), limit)
        self._left -= len(written)
        return written


def _is_call(value: Any) -> bool:
    """Whether it stands for a task or group that code has called: ``result_from_tuple`` reads its tuple. Celery is not
    loaded for it, as programs that read documents in a process of their own use this module too."""
    loaded = sys.modules.get("celery.result")
    return loaded is not None and isinstance(value, loaded.ResultBase)


def _in_short(number: int) -> str:
    return f"(a whole number of about {int(number.bit_length() * log10(2)) + 1:,} digits, which is not kept)"

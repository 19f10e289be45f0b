"""Parameters that may be any JSON, and what Celery's JSON carries beside it; objects are one kind of them."""

import json
from typing import Any

from tasks.params.typed import BUILT_IN, MARKER, Typed, read_marker, restored, typed
from tasks.params.types import ROW, Integer, Number, ParamType, Text, Wrong, is_row, stored

DEEPEST = 50  # levels of nested JSON; SQLite's own limit is 1000
TEXT, INTEGER, NUMBER = Text(), Integer(), Number()


class JsonType(ParamType):
    """Whatever JSON has a form for; texts and numbers keep to the usual limits at every depth."""

    type, wrong = "json", "Give something that JSON can hold."
    schema = {}
    native = True
    empty_is_none = False  # null and "" are two values

    def read(self, value: Any) -> Any:
        return restored(carried(value, BUILT_IN))

    def dump(self, value: Any) -> Any:
        return carried(value, BUILT_IN)

    def parse(self, typed: str) -> Any:
        """Typed `3` or `[1]` is JSON, `abc` is text, nothing is null."""
        try:
            found = json.loads(typed or "null")
        except (ValueError, RecursionError):
            return typed
        return typed if isinstance(found, str) else found


class Object(JsonType):
    wrong = 'Give a JSON object, such as {"name": "value"}.'
    schema = {"type": "object"}
    empty_is_none = True

    def read(self, value: Any) -> dict[str, Any]:
        return super().read(read_object(value))


def read_object(value: Any) -> dict[str, Any]:
    """A dict, or the one that a text of JSON says."""
    found = json.loads(value) if isinstance(value, str) and not isinstance(value, Typed) else value
    if not isinstance(found, dict):
        raise TypeError
    return found


def carried(value: Any, known: set[str] | None = None, depth: int = 0) -> Any:
    """JSON, with Typed texts for what only kombu has a form for. ``known``: the names of types in kombu's own form that
    may be read; None: those that the team has registered too, as they come from code."""
    if depth > DEEPEST:
        raise Wrong(f"Nest at most {DEEPEST} levels.")
    match value:
        case None | bool():
            return value
        case Typed():
            return Typed(TEXT.accept(value), value.type)
        case str():
            return TEXT.accept(value)
        case int():
            return INTEGER.accept(value)
        case float():
            return NUMBER.accept(value)
        case dict() if value.keys() == MARKER:
            return _from_marker(value, known)
        case dict():
            return {_name(key): carried(inner, known, depth + 1) for key, inner in value.items()}
        case list() | tuple():
            return [carried(inner, known, depth + 1) for inner in value]
    if is_row(value):
        raise Wrong(ROW)
    found = typed(value)
    if isinstance(found, Typed):
        return Typed(TEXT.accept(found), found.type)
    return carried(found, known, depth + 1)


def _name(key: Any) -> str:
    """A name as JSON writes it: 1 is "1", None is "null". TypeError for what JSON takes for no name."""
    if isinstance(key, str):
        return stored(key)
    (name,) = json.loads(json.dumps({key: None}))
    return name


def _from_marker(marker: dict[str, Any], known: set[str] | None) -> Any:
    name = marker["__type__"]
    if not isinstance(name, str) or (known is not None and name not in known):
        raise Wrong("Values of a type of your own come from code only.")
    try:
        found = read_marker(marker)
    except Exception:  # a decoder may raise anything
        raise Wrong("Give a value that can be read as the type that stands with it.") from None
    if isinstance(found, Typed):
        return Typed(TEXT.accept(found), found.type)
    return {"__type__": name, "__value__": carried(found["__value__"], known)} if isinstance(found, dict) else found


class SealedJson(JsonType):
    """Whatever a plain task is given as its password or token: kept sealed, and shown as MASK."""

    type = "secret"
    schema = {"title": "secret", "writeOnly": True}

"""Values that Celery's JSON carries and JSON has no form for: a UUID, a date, a Decimal, bytes, a type of the team's.

In memory such a value is a ``Typed`` text, so pages, answers and searches see its text. In a column the types stand
beside the value, under names that no parameter can have (``pack``). ``restored`` gives the Python values again. How a
value is written and read is kombu's to say, so types that a team has registered with kombu work as they do there.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Self
from uuid import UUID

from kombu.utils import json as kombu_json

from tasks.params.types import UNSTORABLE

MARKER = {"__type__", "__value__"}
BUILT_IN = {"datetime", "date", "time", "decimal", "uuid", "bytes", "base64"}
TYPES, CALL, VALUE = "⋮types", "⋮call", "⋮value"


class Typed(str):
    """The text of a value of another type. ``type`` is kombu's name for it."""

    type: str

    def __new__(cls, text: str, type: str) -> Self:
        made = super().__new__(cls, text)
        made.type = type
        return made

    def __getnewargs__(self) -> tuple[str, str]:
        return str.__str__(self), self.type


class Params(dict[str, Any]):
    """The parameters of a call by name, and how code gave them; a plain dict came from a form or the API.

    ``by_position``: so many of the first ones were given by position. ``filled``: names that took their default.
    ``as_given``: names whose value is no value of their annotation, and is handed over as it was given.
    """

    by_position: int = 0
    filled: frozenset[str] = frozenset()
    as_given: frozenset[str] = frozenset()

    @classmethod
    def of(cls, params: Mapping[str, Any], **given: Any) -> Self:
        made = cls(params)
        for name in ("by_position", "filled", "as_given"):
            value = given.get(name, getattr(params, name, getattr(cls, name)))
            if value != getattr(cls, name):
                setattr(made, name, value)
        return made


def typed(value: Any) -> Any:
    """The JSON of a value that is none. TypeError or ValueError if kombu has no form for it either."""
    found = json.loads(kombu_json.dumps(value))
    return _leaf(found) if isinstance(found, dict) and found.keys() == MARKER else found


def read_marker(marker: Mapping[str, Any]) -> Any:
    """The JSON of a value in kombu's own form, ``{"__type__": "uuid", "__value__": …}``, if it can be read."""
    return typed(kombu_json.loads(json.dumps(marker)))


def _leaf(marker: dict[str, Any]) -> Any:
    name, value = marker["__type__"], marker["__value__"]
    if name == "uuid":
        value = str(UUID(value["hex"]))
    elif name == "datetime":
        value = value.replace("+00:00", "Z")
    elif name == "bytes" and UNSTORABLE.search(value):
        name, value = "base64", b64encode(value.encode()).decode()
    return Typed(value, name) if isinstance(value, str) else marker


def restored(value: Any) -> Any:
    """The Python value of JSON with Typed texts in it, in new lists and dicts."""
    match value:
        case Typed():
            said = {"hex": UUID(value).hex} if value.type == "uuid" else str.__str__(value)
            return kombu_json.loads(json.dumps({"__type__": value.type, "__value__": said}))
        case dict() if value.keys() == MARKER:
            return kombu_json.loads(json.dumps(value))
        case dict():
            return {name: restored(inner) for name, inner in value.items()}
        case list():
            return [restored(inner) for inner in value]
    return value


def same(one: Any, other: Any) -> bool:
    """Whether both would arrive at a plain Celery task as the same value of the same type."""
    try:
        return kombu_json.dumps(one) == kombu_json.dumps(other)
    except (TypeError, ValueError, RecursionError):
        return False


# --- in a column -----------------------------------------------------------------------------------------------


def pack(value: Any) -> Any:
    """Plain JSON that ``unpack`` reads: what has no types in it is stored as it is."""
    call: dict[str, Any] = {}
    if isinstance(value, Params):
        names = {"filled": sorted(value.filled), "as_given": sorted(value.as_given)}
        call = {name: given for name, given in ({"by_position": value.by_position} | names).items() if given}
    types = dict(_types(value, ""))
    clashes = isinstance(value, dict) and not {TYPES, CALL, VALUE}.isdisjoint(value)
    if not (types or call or clashes):
        return value
    beside = {name: given for name, given in ((TYPES, types), (CALL, call)) if given}
    return value | beside if isinstance(value, dict) and not clashes else {VALUE: value, **beside}


def unpack(stored: Any) -> Any:
    if not isinstance(stored, dict) or {TYPES, CALL, VALUE}.isdisjoint(stored):
        return stored
    value = stored[VALUE] if VALUE in stored else {k: v for k, v in stored.items() if k not in (TYPES, CALL)}
    for pointer, name in (stored.get(TYPES) or {}).items():
        value = _marked(value, pointer.split("/")[1:], name)
    if call := stored.get(CALL):
        known = {name: frozenset(given) if isinstance(given, list) else given for name, given in call.items()}
        value = Params.of(value, **known)
    return value


def _types(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """JSON pointers (RFC 6901) of the Typed texts in a value, and their types."""
    match value:
        case Typed():
            yield pointer, value.type
        case dict():
            for name, inner in value.items():
                if isinstance(inner, str | dict | list):
                    yield from _types(inner, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")
        case list():
            for place, inner in enumerate(value):
                if isinstance(inner, str | dict | list):
                    yield from _types(inner, f"{pointer}/{place}")


def _marked(value: Any, steps: list[str], name: str) -> Any:
    """The value with a type at one place. A place that is not there, which somebody else has written, is left out."""
    if not steps:
        return Typed(value, name) if isinstance(value, str) else value
    step = steps[0].replace("~1", "/").replace("~0", "~")
    if isinstance(value, dict) and step in value:
        value[step] = _marked(value[step], steps[1:], name)
    elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
        value[int(step)] = _marked(value[int(step)], steps[1:], name)
    return value

"""JSON that every database returns as it was written: names in their order, numbers with their digits.

PostgreSQL's ``jsonb`` sorts the names of objects and rewrites some numbers (1e16, -0.0). A value that it would change
is stored together with its JSON text, under a name that no job uses. Other values are stored unchanged, as in earlier
versions. The lookup ``params__name`` finds both. Types that JSON does not have stand beside the value
(tasks.params.typed).
"""

import json
import logging
import re
from itertools import pairwise
from math import copysign, isfinite
from typing import Any

from django.db import models
from django.db.models.expressions import Col

from tasks.params.typed import pack, unpack

log = logging.getLogger(__name__)

TEXT = "⋮"
ODD = re.compile(r"NaN|Infinity|[eE]\+?[0-9]{3}|\\u[dD][89a-fA-F]")  # perhaps what cannot be written again
MOST_NAMED = 1_000
_named: set[str] = set()  # what this process has complained of


class ReadableJSONField(models.JSONField):
    """A JSONField that reads whatever somebody else has written: of what cannot be read, a text says so."""

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """As Django's own field: the column is the same, so there is nothing to migrate."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.read(value, connection)
        except json.JSONDecodeError:
            return value  # as Django does: a part that the database took out of a value may be a bare text
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"[:100]
            self.complain(why)
            return f"(JSON that cannot be read: {why})"

    def complain(self, why: str) -> None:
        """Log what is wrong, once."""
        if (what := f"{self.model._meta.db_table}.{self.column}: {why}") not in _named:
            _named.add(what) if len(_named) < MOST_NAMED else _named.clear()
            log.error("A value of %s cannot be read: %s", *what.split(": ", 1))

    def read(self, value: str, connection: Any) -> Any:
        return read(value, self.decoder)


class ShapedJSONField(ReadableJSONField):
    """For what only Signalbox writes: a list or an object, as its default is. Whatever else is read is the default."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        found = super().from_db_value(value, expression, connection)
        if isinstance(found, self.default) or not isinstance(expression, Col):
            return found
        self.complain(f"It is no {self.default.__name__}.")
        return self.default()


class OrderedJSONField(ReadableJSONField):
    """``outermost=False``: the order of the outermost names is of no account."""

    def __init__(self, *args: Any, outermost: bool = True, **kwargs: Any) -> None:
        self.outermost = outermost
        super().__init__(*args, **kwargs)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return super().get_db_prep_save(self.plain(value, connection), connection)

    def plain(self, value: Any, connection: Any) -> Any:
        """The JSON that the column of this database holds for a value."""
        value = pack(value)
        if connection.vendor == "postgresql" and isinstance(value, dict | list) and not self._is_kept(value):
            # An object stays readable for lookups; of a list, only the text counts.
            readable = value if isinstance(value, dict) else {}
            value = readable | {TEXT: json.dumps(value, cls=self.encoder, ensure_ascii=False)}
        return value

    def read(self, value: str, connection: Any) -> Any:
        found = read(value, self.decoder)
        text = found.get(TEXT) if connection.vendor == "postgresql" and isinstance(found, dict) else None
        return unpack(read(text, self.decoder) if isinstance(text, str) else found)

    def _is_kept(self, value: Any) -> bool:
        if not self.outermost and isinstance(value, dict):
            return TEXT not in value and all(map(is_kept, value.values()))
        return is_kept(value)


class OrderedObjectField(ShapedJSONField, OrderedJSONField):
    """An object whose names keep their order."""


def read(text: str, decoder: Any = None) -> Any:
    """The value of a JSON text, as JSON can be written again: a number that is none (NaN, 1e999) is a text."""
    if not ODD.search(text):
        return json.loads(text, cls=decoder)
    found = json.loads(text, cls=decoder, parse_constant=str, parse_float=_finite)
    return json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"), cls=decoder)  # no lone surrogates


def _finite(text: str) -> float | str:
    return number if isfinite(number := float(text)) else text


def is_kept(value: Any) -> bool:
    """Whether ``jsonb`` gives a value back as it was: it sorts names by their length in UTF-8, then by their bytes."""
    if isinstance(value, dict):
        names = [str(name).encode("utf-8", "surrogatepass") for name in value]
        in_order = all((len(a), a) < (len(b), b) for a, b in pairwise(names))
        return in_order and TEXT not in value and all(map(is_kept, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_kept, value))
    if isinstance(value, float):
        return abs(value) < 1e16 and (value != 0 or copysign(1, value) > 0)
    return True

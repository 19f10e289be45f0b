"""From a type annotation to its Rule, and the types that are made of others: choices, JSON, lists.

The table PLAIN and `rule_for` are the whole answer to "which types may a parameter have". Pure, like `types`.
"""

import json
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, EnumType
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from tasks.params.types import (
    LONGEST,
    ROW,
    Boolean,
    Date,
    Exact,
    Integer,
    Moment,
    Number,
    ParamType,
    Ref,
    Secret,
    Text,
    Wrong,
    is_row,
    stored,
    word,
)

DEEPEST = 50  # levels of nested JSON; SQLite's own limit is 1000
TEXT, INTEGER, NUMBER = Text(), Integer(), Number()


class Choice(ParamType):
    """A Literal or an Enum. An Enum is stored as its values where all are texts or whole numbers, else as its names."""

    type = "choice"

    def __init__(self, options: Iterable[tuple[Any, Any, Any]]) -> None:
        self.options = tuple(options)  # (JSON value, label, Python value)
        self.choices = tuple((value, label) for value, label, _ in self.options)
        self.wrong = f"Choose one of: {', '.join(str(value) for value, _ in self.choices)}."
        types = {type(value) for value, _ in self.choices}
        if not types or not types <= {str, int, bool}:
            raise TypeError("choices are texts, whole numbers or an Enum")
        self.schema = {"enum": [value for value, _ in self.choices]}

    @classmethod
    def among(cls, values: Iterable[Any]) -> Self:
        return cls((value, str(value), value) for value in values)

    @classmethod
    def of(cls, enum: EnumType) -> Self:
        by_value = all(type(member.value) in (str, int) for member in enum)
        labels = (getattr(member, "label", member.name.replace("_", " ").capitalize()) for member in enum)
        return cls((m.value if by_value else m.name, label, m) for m, label in zip(enum, labels, strict=True))

    def read(self, value: Any) -> Any:
        for known, _, member in self.options:
            if value is member or (type(value) is type(known) and value == known):
                return member
        return {str(known): member for known, _, member in self.options}[word(value, LONGEST)]

    def dump(self, value: Any) -> Any:
        return next(known for known, _, member in self.options if member is value)


class JsonType(ParamType):
    """Whatever JSON has a form for; texts and numbers keep to the usual limits at every depth."""

    type, wrong = "json", "Give something that JSON can hold."
    schema = {}
    empty_is_none = False  # null and "" are two values

    def read(self, value: Any) -> Any:
        return _plain(value)

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
        found = json.loads(value) if isinstance(value, str) else value
        if not isinstance(found, dict):
            raise TypeError
        return super().read(found)


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise Wrong(f"Nest at most {DEEPEST} levels.")
    match value:
        case None | bool():
            return value
        case str():
            return TEXT.accept(value)
        case int():
            return INTEGER.accept(value)
        case float():
            return NUMBER.accept(value)
        case dict():
            return {stored(name): _plain(inner, depth + 1) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner, depth + 1) for inner in value]
    if is_row(value):
        raise Wrong(ROW)
    raise TypeError


class Lines(ParamType):
    """A list of simple values: JSON's own, or one a line."""

    type, wrong = "list", "Give a list, one entry a line."

    def __init__(self, item: ParamType) -> None:
        if isinstance(item, (Lines, Secret, Ref, JsonType)):
            raise TypeError("a list holds texts, numbers, dates, addresses or choices")
        self.item = item
        self.schema = {"type": "array", "items": item.schema}

    def read(self, value: Any) -> list[Any]:
        if isinstance(value, str):
            value = [line.strip() for line in value.splitlines() if line.strip()]
        if not isinstance(value, (list, tuple)):
            raise TypeError
        return [self._entry(number, entry) for number, entry in enumerate(value, 1)]

    def _entry(self, number: int, value: Any) -> Any:
        try:
            return self.item.accept(value)
        except Wrong as wrong:
            raise Wrong(f"Entry {number}: {wrong}") from None

    def dump(self, value: list[Any]) -> list[Any]:
        return [self.item.dump(entry) for entry in value]


JSON = JsonType()
PLAIN: dict[Any, ParamType] = {
    str: TEXT,
    int: INTEGER,
    float: NUMBER,
    bool: Boolean(),
    Decimal: Exact(),
    date: Date(),
    datetime: Moment(),
    dict: Object(),
    dict[str, Any]: Object(),
    Any: JSON,
}


def rule_for(annotation: Any) -> tuple[ParamType, bool, str]:
    """The rule of a type, whether None is allowed, and the help (a text in Annotated). TypeError for any other type."""
    notes: tuple[Any, ...] = ()
    nullable = False
    while (origin := get_origin(annotation)) in (Annotated, Union, UnionType):
        inner, *rest = get_args(annotation)
        if origin is Annotated:
            notes += tuple(rest)
        elif len(rest) == 1 and NoneType in (inner, *rest):
            nullable, inner = True, rest[0] if inner is NoneType else inner
        else:
            break
        annotation = inner
    return _rule(annotation, notes), nullable, next((note for note in notes if isinstance(note, str)), "")


def _rule(annotation: Any, notes: tuple[Any, ...]) -> ParamType:
    marks = [note() if isinstance(note, type) and issubclass(note, ParamType) else note for note in notes]
    mark = next((mark for mark in marks if isinstance(mark, ParamType)), None)
    bounds = next((note for note in notes if isinstance(note, range)), None)
    origin, inside = get_origin(annotation), get_args(annotation)
    if mark is not None and annotation is str:
        return mark
    if bounds is not None and annotation is int:
        return Integer(bounds)
    if mark is not None or bounds is not None:
        raise TypeError("Url, Secret, Ref and File go with str, a range goes with int")
    if origin is Literal:
        return Choice.among(inside)
    if origin is list and inside:
        item, nullable, _ = rule_for(inside[0])
        if not nullable:
            return Lines(item)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Choice.of(annotation)
    if annotation in PLAIN:
        return PLAIN[annotation]
    raise TypeError(
        "no form could ask for that type; take str, int, float, bool, date, datetime, Decimal, a Literal, an Enum, "
        "list[…] of these, dict, or one of them `| None`"
    )

"""From a type annotation to its Rule: the whole answer to "which types may a parameter have".

Pure, like `types`. A type that no rule knows raises TypeError, and its parameter is any JSON; what misuses one of our
own marks raises Misused.
"""

import typing
from collections import abc
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from uuid import UUID

from tasks.params.compound import Choice, Either, Items, Lines, Misused, Model, OrNone, Part, Record, Table
from tasks.params.json_types import INTEGER, NUMBER, TEXT, JsonType, Object
from tasks.params.types import Boolean, Date, Exact, Integer, Moment, ParamType, Ref, Secret, Uuid

JSON = JsonType()
PLAIN: dict[Any, ParamType] = {
    str: TEXT,
    int: INTEGER,
    float: NUMBER,
    bool: Boolean(),
    Decimal: Exact(),
    date: Date(),
    datetime: Moment(),
    UUID: Uuid(),
    Any: JSON,
}
LISTS = {list, tuple, abc.Sequence, abc.Iterable, abc.Collection, abc.MutableSequence}
SETS = {set, frozenset, abc.Set, abc.MutableSet}
QUALIFIERS = {Required, NotRequired, getattr(typing, "ReadOnly", NotRequired)}  # of the names of a TypedDict
OBJECTS = {dict, abc.Mapping, abc.MutableMapping}


def rule_for(annotation: Any) -> tuple[ParamType, bool, str]:
    """The rule of a type, whether None is allowed, and the help (a text in Annotated). TypeError for any other type."""
    notes: tuple[Any, ...] = ()
    nullable = False
    while (origin := get_origin(annotation)) in (Annotated, Union, UnionType):
        inner, *rest = get_args(annotation)
        if origin is Annotated:
            notes += tuple(rest)
        elif NoneType in (inner, *rest):
            nullable = True
            inner = Union[tuple(each for each in (inner, *rest) if each is not NoneType)]  # noqa: UP007
        else:
            break
        annotation = inner
    return _rule(annotation, notes), nullable, next((note for note in notes if isinstance(note, str)), "")


def _rule(annotation: Any, notes: tuple[Any, ...]) -> ParamType:
    marks = [note() if isinstance(note, type) and issubclass(note, ParamType) else note for note in notes]
    mark = next((mark for mark in marks if isinstance(mark, ParamType)), None)
    bounds = next((note for note in notes if isinstance(note, range)), None)
    if mark is not None and annotation is str:
        return mark
    if bounds is not None and annotation is int:
        try:
            return Integer(bounds)
        except TypeError as wrong:
            raise Misused(str(wrong)) from None
    if mark is not None or bounds is not None:
        raise Misused("Url, Secret, Ref and File go with str, a range goes with int")
    return _known(annotation, get_origin(annotation) or annotation, get_args(annotation))


def _known(annotation: Any, origin: Any, inside: tuple[Any, ...]) -> ParamType:
    if origin in (Union, UnionType):
        return Either(_entry(each) for each in inside)
    if origin is Literal and inside:
        return Choice.among(inside)
    if origin in LISTS:
        return _list(inside)
    if origin in SETS:
        return Items(_entry(inside[0]) if inside else JSON, set)
    if origin in OBJECTS:
        named = len(inside) == 2 and inside[0] is str and inside[1] is not Any
        return Table(_entry(inside[1])) if named else Object()
    if annotation in PLAIN:
        return PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Choice.of(annotation)
    if is_typeddict(origin):
        hints = get_type_hints(origin, include_extras=True)
        # Where annotations are texts, Python itself does not see that a name is not required.
        needed = {name for name in origin.__required_keys__ if get_origin(hints[name]) is not NotRequired}
        return Record({name: Part(_entry(hints[name]), name in needed) for name in hints}, dict)
    if isinstance(annotation, type) and is_dataclass(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        given = [each for each in fields(annotation) if each.init]
        needed = {each.name for each in given if each.default is MISSING and each.default_factory is MISSING}
        return Record({e.name: Part(_entry(hints[e.name]), e.name in needed) for e in given}, annotation)
    if isinstance(annotation, type) and callable(getattr(annotation, "model_validate", None)):
        return Model(annotation)
    raise TypeError("it is a type of which no form and no JSON Schema is known")


def _list(inside: tuple[Any, ...]) -> ParamType:
    if len(inside) == 2 and inside[1] is ...:  # tuple[int, ...]
        inside = inside[:1]
    if len(inside) != 1:
        return Items(JSON)
    rule = _entry(inside[0])
    if isinstance(rule, Ref):
        raise Misused("a list holds texts, numbers, dates, addresses or choices, and no ids of rows")
    return Items(rule) if isinstance(rule, (JsonType, OrNone, Secret)) else Lines(rule)


def _entry(annotation: Any) -> ParamType:
    """The rule of what stands inside another type; one that nobody knows is any JSON there."""
    while get_origin(annotation) in QUALIFIERS:
        annotation = get_args(annotation)[0]
    try:
        rule, nullable, _ = rule_for(annotation)
    except Misused:
        raise
    except TypeError:
        return JSON
    return OrNone(rule) if nullable else rule

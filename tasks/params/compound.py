"""Types that are made of others: lists, objects, unions, and the team's own records and models."""

import json
from collections.abc import Callable, Iterable, Mapping
from enum import EnumType
from typing import Any, NamedTuple, Self

from tasks.params.json_types import JsonType, read_object
from tasks.params.types import LONGEST, ParamType, Secret, Wrong, stored, word


class Misused(TypeError):
    """A mark of ours at a place where it would do nothing. Unlike a type that is not ours, it stops the start."""


class Choice(ParamType):
    """A Literal or an Enum. An Enum is stored as its values where all are texts or whole numbers, else as its names."""

    type = "choice"

    def __init__(self, options: Iterable[tuple[Any, Any, Any]]) -> None:
        self.options = tuple(options)  # (JSON value, label, Python value)
        self.choices = tuple((value, label) for value, label, _ in self.options)
        self.native = all(value is member for value, _, member in self.options)
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


class OrNone(ParamType):
    """An entry that may be null."""

    def __init__(self, rule: ParamType) -> None:
        self.rule, self.type, self.wrong = rule, rule.type, rule.wrong
        self.native, self.ours = rule.native, rule.ours
        self.schema = {"anyOf": [rule.schema, {"type": "null"}]}

    def read(self, value: Any) -> Any:
        return None if value is None else self.rule.accept(value)

    def dump(self, value: Any) -> Any:
        return None if value is None else self.rule.dump(value)


class Items(JsonType):
    """A list of anything, as JSON. A set comes out as one; a tuple is a list, as Celery hands it over."""

    wrong = "Give a JSON list, such as [1, 2]."
    empty_is_none = True

    def __init__(self, item: ParamType, container: type = list) -> None:
        if isinstance(item, Secret):
            raise Misused("a list holds no secrets, and a secret needs a parameter of its own")
        self.entry, self.container = item, container
        self.native, self.ours = item.native and container is list, item.ours
        self.schema = {"type": "array", "items": item.schema}

    def read(self, value: Any) -> Any:
        found = json.loads(value) if isinstance(value, str) else value
        if not isinstance(found, (list, tuple, set, frozenset)):
            raise TypeError
        return self.container([self._entry(number, entry) for number, entry in enumerate(found, 1)])

    def _entry(self, number: int, value: Any) -> Any:
        try:
            return self.entry.accept(value)
        except Wrong as wrong:
            raise Wrong(f"Entry {number}: {wrong}") from None

    def dump(self, value: Iterable[Any]) -> list[Any]:
        found = [self.entry.dump(entry) for entry in value]
        return found if isinstance(value, list) else sorted(found, key=repr)  # sets have no order, digests need one


class Lines(Items):
    """A list of simple values: JSON's own, or one a line."""

    type, wrong = "list", "Give a list, one entry a line."
    parse = ParamType.parse

    def __init__(self, item: ParamType) -> None:
        super().__init__(item)
        self.item = item

    def read(self, value: Any) -> list[Any]:
        if isinstance(value, str):
            value = [line.strip() for line in value.splitlines() if line.strip()]
        if not isinstance(value, (list, tuple)):
            raise TypeError
        return super().read(value)


class Table(JsonType):
    """An object whose names are texts, and whose values are all of one type."""

    wrong = 'Give a JSON object, such as {"name": "value"}.'
    empty_is_none = True

    def __init__(self, value: ParamType) -> None:
        if isinstance(value, Secret):
            raise Misused("an object holds no secrets, and a secret needs a parameter of its own")
        self.inner, self.native, self.ours = value, value.native, value.ours
        self.schema = {"type": "object", "additionalProperties": value.schema}

    def read(self, value: Any) -> dict[str, Any]:
        return {stored(name): _part(name, self.inner, inner) for name, inner in read_object(value).items()}

    def dump(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.inner.dump(inner) for name, inner in value.items()}


class Part(NamedTuple):
    """One name of a record."""

    rule: ParamType
    required: bool


class Record(JsonType):
    """A TypedDict, or a dataclass: an object with certain names."""

    empty_is_none = True

    def __init__(self, parts: Mapping[str, Part], make: Callable[..., Any]) -> None:
        if any(isinstance(part.rule, Secret) for part in parts.values()):
            raise Misused("an object holds no secrets, and a secret needs a parameter of its own")
        self.parts, self.make = dict(parts), make
        self.native = make is dict and all(part.rule.native for part in parts.values())
        self.ours = any(part.rule.ours for part in parts.values())
        self.wrong = f"Give a JSON object with {', '.join(parts) or 'no names'}."
        self.schema = {
            "type": "object",
            "properties": {name: part.rule.schema for name, part in parts.items()},
            "required": [name for name, part in parts.items() if part.required],
            "additionalProperties": False,
        }

    def read(self, value: Any) -> Any:
        if self.make is not dict and isinstance(value, self.make):
            return value
        given = read_object(value)
        for name, part in self.parts.items():
            if part.required and name not in given:
                raise Wrong(f"{name}: Required.")
        for name in given:
            if name not in self.parts:
                raise Wrong(f"{stored(name, 100)}: There is no such name.")
        return self.make(**{name: _part(name, self.parts[name].rule, inner) for name, inner in given.items()})

    def dump(self, value: Any) -> dict[str, Any]:
        held = value if isinstance(value, dict) else vars_of(value, self.parts)
        return {name: self.parts[name].rule.dump(_part(name, self.parts[name].rule, held[name])) for name in held}


def vars_of(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


class Model(JsonType):
    """A pydantic model, which reads and writes itself. Pydantic is the team's, and not needed here."""

    wrong = "Give a JSON object that fits the model."
    native = False
    empty_is_none = True

    def __init__(self, model: Any) -> None:
        self.made_by = model
        schema = model.model_json_schema()
        self.schema = schema if "$defs" not in schema else {"type": "object", "title": schema.get("title", "")}

    def read(self, value: Any) -> Any:
        if isinstance(value, self.made_by):
            return value
        try:
            return self.made_by.model_validate(read_object(value))
        except ValueError as error:
            if not hasattr(error, "errors"):
                raise
            said = error.errors(include_input=False, include_url=False, include_context=False)
            wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}." for each in said[:5]]
            raise Wrong(" ".join(wrong)) from None

    def dump(self, value: Any) -> Any:
        return super().dump(value.model_dump(mode="json"))


class Either(JsonType):
    """A union: the first type that takes a value as it is, or else the first that takes it at all."""

    def __init__(self, rules: Iterable[ParamType]) -> None:
        self.rules = tuple(rules)
        if any(isinstance(rule, Secret) for rule in self.rules):
            raise Misused("a secret is a text and nothing else")
        self.native = all(rule.native for rule in self.rules)
        self.ours = any(rule.ours for rule in self.rules)
        self.wrong = " Or: ".join(dict.fromkeys(rule.wrong for rule in self.rules))
        self.schema = {"anyOf": [rule.schema for rule in self.rules]}

    def read(self, value: Any) -> Any:
        return self._choose(value)[1]

    def dump(self, value: Any) -> Any:
        rule, found = self._choose(value)
        return rule.dump(found)

    def _choose(self, value: Any) -> tuple[ParamType, Any]:
        taken = []
        for rule in self.rules:
            try:
                found = rule.accept(value)
                written = rule.dump(found)
            except (Wrong, TypeError, ValueError, LookupError, AttributeError):
                continue
            if (type(written), written) == (type(value), value) or type(found) is type(value):
                return rule, found
            taken.append((rule, found))
        if not taken:
            raise TypeError
        return taken[0]


def _part(name: Any, rule: ParamType, value: Any) -> Any:
    try:
        return rule.accept(value)
    except Wrong as wrong:
        raise Wrong(f"{str(name)[:100]}: {wrong}") from None

"""One parameter of a function as a field: its rule, its default, what a form and a JSON Schema say of it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, get_type_hints

from tasks.params.annotations import JSON, rule_for
from tasks.params.compound import Items, Lines, Misused
from tasks.params.json_types import JsonType, carried
from tasks.params.typed import restored, same
from tasks.params.types import ParamType, Secret, Wrong

MARKS = ("Secret", "Ref(", "File", "Url")


@dataclass(frozen=True, eq=False)
class Field:
    """One parameter. `default` is JSON and clean; it counts unless the field is `required` or `omitted`."""

    name: str
    rule: ParamType
    required: bool = True
    default: Any = None
    nullable: bool = False
    omitted: bool = False  # left out unless given: the function's own default has no form in JSON
    help: str = ""

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").strip().capitalize()

    @property
    def type(self) -> str:
        """text integer number boolean decimal date datetime uuid choice list json url secret ref file"""
        return self.rule.type

    @property
    def choices(self) -> tuple[tuple[Any, Any], ...]:
        return self.rule.choices

    @property
    def item(self) -> ParamType | None:
        """What a list holds: a rule has `type` and `choices` too."""
        return self.rule.item

    @property
    def model(self) -> str | None:
        """The label of the model a ref points to."""
        return self.rule.model

    def read(self, value: Any) -> Any:
        empty = isinstance(value, str) and not value and self.rule.empty_is_none and self.default != ""
        return None if self.nullable and (value is None or empty) else self.rule.accept(value)

    def clean(self, value: Any) -> Any:
        found = self.read(value)
        return None if found is None else self.rule.dump(found)

    def take(self, value: Any) -> tuple[Any, bool]:
        """The JSON of a value that code gives, and whether it is handed over as it was given.

        Celery looks at no annotation, so a call from code is not held to one, unless the type is our own. A value that
        only the annotation has a form for (an Enum, a dataclass) is written as that says.
        """
        if self.rule.ours:
            return self.clean(value), False
        try:
            given = carried(value)
        except Exception:
            return self.clean(value), False
        if self.rule.native:
            return given, False
        try:
            clean = self.clean(value)
            return (clean, False) if same(self.read(clean), value) else (given, True)
        except Exception:  # classes of the team's may raise anything
            return given, True

    def load(self, stored: Any, as_given: bool) -> Any:
        """The Python value of a stored one."""
        return restored(stored) if as_given or (self.rule.native and not self.rule.ours) else self.read(stored)

    def schema(self) -> dict[str, Any]:
        schema = {"title": self.label, **({"description": self.help} if self.help else {}), **self.rule.schema}
        if self.nullable and "type" in schema:
            schema["type"] = [schema["type"], "null"]
        if self.nullable and "anyOf" in schema:
            schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
        if self.nullable and "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        if not (self.required or self.omitted or self.type == "secret"):
            schema["default"] = self.default
        return schema


def field_of(function: Callable[..., Any], parameter: inspect.Parameter) -> Field:
    """The field of a parameter. TypeError names both where one of our own types is misused."""
    annotated = parameter.annotation is not parameter.empty
    try:
        field = _annotated(function, parameter) if annotated else Field(parameter.name, JSON)
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) and field.type == "secret":
            raise Misused("a secret needs a name of its own")
        if parameter.kind is parameter.VAR_POSITIONAL:
            return replace(field, rule=_list_of(field.rule), required=False, nullable=False, default=[])
        if parameter.default is parameter.empty:
            return replace(field, required=not field.nullable)
        field = replace(field, required=False, nullable=field.nullable or parameter.default is None)
        # An optional text with the default "" keeps "" apart from None, hence the default goes in before it is cleaned.
        field = replace(field, default=parameter.default)
        return replace(field, default=field.clean(parameter.default))
    except Wrong as wrong:
        if not field.rule.ours:  # Python fills it in, as it does for Celery
            return replace(field, default=None, omitted=True)
        reason = f"its default is refused. {wrong}"
    except Misused as misused:
        reason = str(misused)
    shown = f": {inspect.formatannotation(parameter.annotation)}" if annotated else ""
    where = f"{function.__module__}.{function.__qualname__}"
    raise TypeError(f"{where}: the parameter `{parameter.name}{shown}` cannot be one of a job: {reason}") from None


def _annotated(function: Callable[..., Any], parameter: inspect.Parameter) -> Field:
    """A field by its annotation. An annotation that no form knows, or that cannot be evaluated, makes it any JSON."""
    # One by one: the annotations of self, report and the answer may name what is imported for type checkers only.
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        hints = get_type_hints(
            SimpleNamespace(__annotations__={"it": parameter.annotation}), names, include_extras=True
        )
        rule, nullable, help = rule_for(hints["it"])
        return Field(parameter.name, rule, nullable=nullable, help=help)
    except Misused:
        raise
    except Exception as error:  # annotations are evaluated, and may raise anything
        shown = inspect.formatannotation(parameter.annotation)
        if any(mark in shown for mark in MARKS):
            raise Misused(f"{type(error).__name__}: {error}") from None
        return Field(parameter.name, JSON, help=f"Any JSON: it is annotated as {shown}.")


def _list_of(rule: ParamType) -> ParamType:
    return Items(rule) if isinstance(rule, (JsonType, Secret)) else Lines(rule)

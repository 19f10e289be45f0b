"""The signature is the contract: a function's parameters as fields, JSON Schema, validation and conversion.

Owns what is true of a set of parameters: names, defaults, size, positions, which are secret. What one value may be is
told by `types` and `annotations`. Pure: knows no model, so whether a Ref or a File exists is for others.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Self, get_type_hints

from tasks.params.annotations import JSON, PLAIN, rule_for
from tasks.params.types import MASK, File, ParamType, Ref, Secret, Url, Wrong

__all__ = ["MASK", "Field", "File", "ParamError", "Ref", "Secret", "Signature", "Url"]

LARGEST = 64 * 1024  # bytes of JSON: parameters are small, what is large belongs in rows
GUESSED = (str, int, float, bool)  # an unannotated parameter takes the type of such a default


class ParamError(ValueError):
    """All that is wrong with a set of parameters. `errors`: field → sentences; the field "" is the set itself."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = dict(errors)

    def __str__(self) -> str:
        return " ".join(": ".join(filter(None, (name, " ".join(said)))) for name, said in self.errors.items())


class TooLarge(ParamError):
    """A set of parameters of so many bytes; refused as a whole."""

    def __init__(self, given: int) -> None:
        super().__init__(
            {"": [f"Give at most {LARGEST // 1024} KiB of parameters: these are {given / 1024:,.1f} KiB."]}
        )


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
        """text integer number boolean decimal date datetime choice list json url secret ref file"""
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

    def schema(self) -> dict[str, Any]:
        schema = {"title": self.label, **({"description": self.help} if self.help else {}), **self.rule.schema}
        if self.nullable and "type" in schema:
            schema["type"] = [schema["type"], "null"]
        if self.nullable and "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        if not (self.required or self.omitted or self.type == "secret"):
            schema["default"] = self.default
        return schema


@dataclass(frozen=True, eq=False)
class Signature:
    """What a function accepts as a job. `extra` is the field that stands for every name of a `**kwargs`."""

    name: str
    help: str
    fields: tuple[Field, ...]
    takes_report: bool
    extra: Field | None
    call: inspect.Signature  # what callers give: without self and report
    filled: frozenset[str]  # names that callers never give

    @classmethod
    def of(cls, function: Callable[..., Any], *, bound: bool = False) -> Self:
        """Read a function, without its `self` if bound and a first parameter named `report`.

        TypeError names the function, the parameter and the type that no form could ask for.
        """
        call = inspect.signature(function)
        given = list(call.parameters.values())[bound:]
        takes_report = bool(given) and given[0].name == "report"
        given = given[takes_report:]
        fields = [_field(function, each) for each in given]
        extra = fields.pop() if given and given[-1].kind is inspect.Parameter.VAR_KEYWORD else None
        return cls(
            name=function.__name__,
            help=(inspect.getdoc(function) or "").partition("\n")[0],
            fields=tuple(fields),
            takes_report=takes_report,
            extra=extra,
            call=call.replace(parameters=given),
            filled=frozenset(call.parameters) - {each.name for each in given},
        )

    @cached_property
    def secrets(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields if field.type == "secret")

    @cached_property
    def _known(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    def bind(self, args: Iterable[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name, defaults left out; TypeError as Python raises it for a wrong call."""
        try:
            named = dict(self.call.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}") from None
        more = named.pop(self.extra.name, {}) if self.extra else {}
        return named | more

    def clean(self, raw: Mapping[str, Any], *, text: bool = False) -> dict[str, Any]:
        """Parameters as stable JSON with every default filled in; ParamError with all that is wrong.

        Typed text is taken for every type ("10" for an int, one entry a line for a list). Only where a parameter may be
        anything, "10" from the API is a text; `text=True` says that a form or a command line gives it: a number.
        """
        if not isinstance(raw, Mapping):
            raise ParamError({"": ["Give the parameters as an object of names and values."]})
        cleaned: dict[str, Any] = {}
        errors: dict[str, list[str]] = {}
        for name in dict.fromkeys((*self._known, *raw)):
            try:
                field = self._named(name)
                value = raw.get(name)
                if name in raw and not (text and field.omitted and value == ""):  # nothing typed is nothing given
                    cleaned[name] = field.clean(field.rule.parse(value) if text and isinstance(value, str) else value)
                elif field.required:
                    raise Wrong("Required.")
                elif not field.omitted:
                    cleaned[name] = field.clean(field.default)
            except Wrong as wrong:
                errors[str(name)] = [str(wrong)]
        if not errors and (bytes_ := size(cleaned)) > LARGEST:
            raise TooLarge(bytes_)
        if errors:
            raise ParamError(errors)
        return cleaned

    def load(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Stored parameters (secrets put back) as the Python values to call the function with.

        ParamError if the function no longer takes such a value; a name it no longer has is left to Python's TypeError.
        """
        loaded: dict[str, Any] = {}
        for name, value in params.items():
            field = self._known.get(name) or self.extra
            try:
                loaded[name] = field.read(value) if field else value
            except Wrong as wrong:
                raise ParamError({name: [str(wrong)]}) from None
        return loaded

    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the object of parameters."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            **({"description": self.help} if self.help else {}),
            "type": "object",
            "properties": {field.name: field.schema() for field in self.fields},
            "required": [field.name for field in self.fields if field.required],
            "additionalProperties": self.extra.rule.schema if self.extra else False,
        }

    def _named(self, name: Any) -> Field:
        if name in self._known:
            return self._known[name]
        if self.extra is None or name in self.filled:
            raise Wrong("This job has no such parameter.")
        if not isinstance(name, str) or not name.isidentifier() or len(name) > 100:
            raise Wrong("Give a name of at most 100 letters, digits and underscores.")
        return replace(self.extra, name=name)


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _field(function: Callable[..., Any], parameter: inspect.Parameter) -> Field:
    annotated = parameter.annotation is not parameter.empty
    try:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise TypeError("jobs are called by name, so every parameter needs one of its own")
        field = _annotated(function, parameter) if annotated else _guessed(parameter)
        if parameter.kind is parameter.VAR_KEYWORD and field.type == "secret":
            raise TypeError("a secret needs a name of its own")
        if parameter.default is parameter.empty:
            return replace(field, required=not field.nullable)
        field = replace(field, required=False, nullable=field.nullable or parameter.default is None)
        # An optional text with the default "" keeps "" apart from None, hence the default goes in before it is cleaned.
        field = replace(field, default=parameter.default)
        return replace(field, default=field.clean(parameter.default))
    except Wrong as wrong:
        if not annotated:
            return replace(field, default=None, omitted=True)
        reason = f"its default is refused. {wrong}"
    except Exception as error:  # annotations are evaluated, and may raise anything
        reason = f"{type(error).__name__}: {error}" if not isinstance(error, TypeError) else str(error)
    shown = f": {inspect.formatannotation(parameter.annotation)}" if annotated else ""
    where = f"{function.__module__}.{function.__qualname__}"
    raise TypeError(f"{where}: the parameter `{parameter.name}{shown}` cannot be one of a job: {reason}") from None


def _annotated(function: Callable[..., Any], parameter: inspect.Parameter) -> Field:
    # One by one: the annotations of self, report and the answer may name what is imported for type checkers only.
    names = inspect.unwrap(function).__globals__
    hints = get_type_hints(SimpleNamespace(__annotations__={"it": parameter.annotation}), names, include_extras=True)
    rule, nullable, help = rule_for(hints["it"])
    return Field(parameter.name, rule, nullable=nullable, help=help)


def _guessed(parameter: inspect.Parameter) -> Field:
    kind = type(parameter.default)
    return Field(parameter.name, PLAIN[kind] if kind in GUESSED else JSON)

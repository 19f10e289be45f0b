"""The signature is the contract: a function's parameters as fields, JSON Schema, validation and conversion.

Owns what is true of a set of parameters: names, defaults, size, positions, which are secret. What one value may be is
`types` and `annotations` say which. Pure: knows no model, so whether a Ref or a File exists is for others.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from typing import Any, Self

from tasks.params.fields import Field, field_of
from tasks.params.report_use import Injection, how_report_is_taken
from tasks.params.typed import Params
from tasks.params.types import MASK, File, Ref, Secret, Url, Wrong

__all__ = ["MASK", "Field", "File", "ParamError", "Params", "Ref", "Secret", "Signature", "Url"]

BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
LARGEST = 64 * 1024  # bytes of JSON: parameters are small, what is large belongs in rows


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
class Signature:
    """What a function accepts as a job.

    `extra` is the field that stands for every name of a `**kwargs`, `rest` the name of the field that `*args` is.
    """

    name: str
    help: str
    fields: tuple[Field, ...]
    report: Injection
    extra: Field | None
    rest: str | None
    call: inspect.Signature  # what callers give: without self and report
    filled: frozenset[str]  # names that callers never give
    unnamed: frozenset[str] = frozenset()  # parameters that a wrapper around the function takes by position only

    @classmethod
    def of(cls, function: Callable[..., Any], *, bound: bool = False, adopted: bool = False) -> Self:
        """Read a function, without its `self` if bound and without a `report` that is filled in.

        `adopted`: a plain Celery task, of which a first parameter named `report` is a value like any other.
        TypeError names the function and the parameter that misuses a type of ours.
        """
        call = inspect.signature(function)
        given = list(call.parameters.values())
        if bound and given[:1] != [each for each in given if each.kind is inspect.Parameter.VAR_POSITIONAL]:
            given = given[1:]  # `*args` takes the task too, and what callers give
        report = how_report_is_taken(function, given, adopted)
        given = given[report is not Injection.NO :]
        fields = [field_of(function, each) for each in given]
        kinds = [each.kind for each in given]
        extra = fields.pop() if kinds and kinds[-1] is inspect.Parameter.VAR_KEYWORD else None
        return cls(
            name=function.__name__,
            help=(inspect.getdoc(function) or "").partition("\n")[0],
            fields=tuple(fields),
            report=report,
            extra=extra,
            rest=next((each.name for each in given if each.kind is inspect.Parameter.VAR_POSITIONAL), None),
            call=call.replace(parameters=given),
            filled=frozenset(call.parameters) - {each.name for each in given},
            unnamed=_unnamed(function, given),
        )

    @property
    def takes_report(self) -> bool:
        return self.report is not Injection.NO

    @cached_property
    def secrets(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields if field.type == "secret")

    def keeps_to(self, name: str) -> bool:
        """Whether calls from code too are held to the type of a parameter, because it is one of ours."""
        field = self._known.get(name) or self.extra
        return field is not None and field.rule.ours

    @cached_property
    def _known(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    def bind(self, args: Iterable[Any], kwargs: Mapping[str, Any]) -> Params:
        """The arguments of a call from code by name, defaults left out; TypeError as Python raises it for a wrong call.

        What comes back goes to `take`: such a call is held to no annotation but our own.
        """
        args = tuple(args)
        if args and self.report is Injection.DOUBTFUL:
            raise TypeError(
                f"{self.name}() takes its first parameter `report` from Signalbox, unless the function says that it is "
                "a value: annotate it (`report: Report` or `report: str`), or give the parameters by name"
            )
        try:
            named = dict(self.call.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}") from None
        more = named.pop(self.extra.name, {}) if self.extra else {}
        if self.rest in more:
            raise TypeError(f"{self.name}() has the name {self.rest!r} for its further positional arguments")
        if self.rest in named:
            named[self.rest] = list(named[self.rest])
        return Params.of(named | more, by_position=len(args))

    def take(self, call: Mapping[str, Any], before: Params | None = None, *, fill: bool = True) -> Params:
        """The parameters of a call from code as stable JSON, with `before` in front, which is taken already.

        ParamError with all that no job can carry, and all that one of our own types refuses.
        """
        taken = Params.of(
            before or {}, by_position=getattr(call, "by_position", 0) or getattr(before, "by_position", 0)
        )
        as_given, filled = set(taken.as_given), set(taken.filled)
        errors: dict[str, list[str]] = {}
        for name in dict.fromkeys((*self._known, *call)):
            try:
                field = self._named(name)
                if name in call:
                    taken[name], unread = field.take(call[name])
                    as_given |= {name} if unread else set()
                elif fill and name not in taken and not (field.required or field.omitted):
                    taken[name] = field.clean(field.default)
                    filled.add(name)
            except Wrong as wrong:
                errors[str(name)] = [str(wrong)]
        if errors:
            raise ParamError(errors)
        if (bytes_ := size(taken)) > LARGEST:
            raise TooLarge(bytes_)
        return Params.of(taken, as_given=frozenset(as_given), filled=frozenset(filled))

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
        """Stored parameters (secrets put back) as Python values by name.

        ParamError if the function no longer takes such a value; a name it no longer has is left to Python's TypeError.
        """
        loaded: dict[str, Any] = {}
        as_given = getattr(params, "as_given", ())
        for name, value in params.items():
            field = self._known.get(name) or self.extra
            try:
                masked = value == MASK and name in self.secrets
                loaded[name] = field.load(value, name in as_given) if field and not masked else value
            except Wrong as wrong:
                raise ParamError({name: [str(wrong)]}) from None
        return loaded

    def arguments(self, params: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Stored parameters as the call that was made: what came by position goes by position, and a default that was
        filled in is left to Python as long as it is still the function's own."""
        loaded = self.load(params)
        filled = getattr(params, "filled", frozenset())
        for name in (filled | self.unnamed) & loaded.keys() & self._known.keys():
            if params[name] == self._known[name].default and not self._known[name].required:
                del loaded[name]
        rest = list(loaded.pop(self.rest, ())) if self.rest else []
        positions = [each for each in self.call.parameters.values() if each.kind in BY_POSITION]
        last = max((n for n, each in enumerate(positions, 1) if self._goes_by_position(each, loaded)), default=0)
        first = len(positions) if rest else max(last, min(getattr(params, "by_position", 0), len(positions)))
        args = [loaded.pop(each.name, each.default) for each in positions[:first]]
        return args + rest, loaded

    @property
    def names_by_position(self) -> list[str]:
        return [each.name for each in self.call.parameters.values() if each.kind in BY_POSITION]

    def put_secrets(
        self, args: Iterable[Any], kwargs: Mapping[str, Any], secrets: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call with the secrets in the place of their masks, by position and by name."""
        names = self.names_by_position

        def put(name: str, given: Any) -> Any:
            return secrets[name] if name in secrets and isinstance(given, str) and given == MASK else given

        placed = [put(name, given) for name, given in zip_longest(names, args, fillvalue="")]
        return placed[: len(tuple(args))], {name: put(name, given) for name, given in kwargs.items()}

    def _goes_by_position(self, parameter: inspect.Parameter, loaded: Mapping[str, Any]) -> bool:
        unnamed = parameter.kind is parameter.POSITIONAL_ONLY or parameter.name in self.unnamed
        return unnamed and parameter.name in loaded

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
    """Bytes of its JSON."""
    return 2 if value == {} else len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _unnamed(function: Callable[..., Any], given: list[inspect.Parameter]) -> frozenset[str]:
    """Names that the outermost wrapper of a function does not know: it has others, or takes arguments by position."""
    outer = inspect.signature(function, follow_wrapped=False).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in outer):
        return frozenset()
    known = {each.name for each in outer if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
    return frozenset(each.name for each in given if each.kind in BY_POSITION) - known

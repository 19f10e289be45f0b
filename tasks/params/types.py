"""The simple types a job's parameter may have. A `Rule` knows one: reading it, storing it, its JSON Schema.

`read` turns what a form, a command line, the API or Python gives into the Python value; `dump` turns that into JSON,
which `read` takes again. Pure: knows no signature, no model, no I/O. No message repeats the value it refuses: it may be
a secret.
"""

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

MASK = "•••"
LONGEST = 50_000  # characters of one text
INT64 = range(-(2**63), 2**63)

DIGITS = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL refuses them, in text and in JSON
UNSAFE_IN_URL = re.compile(r"[\s\\\x00-\x20\x7f]")
ROW = "Give the id of the row, not the row itself: jobs carry ids, never objects."
BOOLEANS = dict.fromkeys(("true", "on", "yes", "1"), True) | dict.fromkeys(("false", "off", "no", "0"), False)


class Wrong(ValueError):
    """One value is wrong; the text is the sentence to show beside it."""


def is_row(value: Any) -> bool:
    """Whether it is a row of Django's: a job that carried one would work on what it was, not on what it is."""
    return hasattr(type(value), "_meta") and hasattr(value, "pk")


class ParamType:
    """One type. The rules of special texts are also the markers for them: `Annotated[str, Url]`."""

    type: str
    wrong: str
    schema: dict[str, Any] = {"type": "string"}
    choices: tuple[tuple[Any, Any], ...] = ()  # (JSON value, label), as Django's form fields take them
    item: "ParamType | None" = None
    model: str | None = None
    empty_is_none = True  # for an optional parameter, which a form leaves empty
    native = False  # whether the value is its JSON, so that nothing is to be read again when the job runs
    ours = False  # whether calls from code keep to it too: Celery knows no such type

    def read(self, value: Any) -> Any:
        """The Python value. What it raises may be raw: callers use `accept`."""
        raise NotImplementedError

    def accept(self, value: Any) -> Any:
        """The Python value, or Wrong with one sentence."""
        try:
            return self.read(value)
        except Wrong:
            raise
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError):
            raise Wrong(ROW if is_row(value) else self.wrong) from None

    def dump(self, value: Any) -> Any:
        return value

    def parse(self, typed: str) -> Any:
        """What typed text means where the API would take the text as it is."""
        return typed


def stored(text: Any, longest: int = LONGEST) -> str:
    """The text as a plain str that every database can hold."""
    if not isinstance(text, str):
        raise TypeError
    if len(text) > longest:
        raise Wrong(f"Give at most {longest:,} characters.")
    if UNSTORABLE.search(text):
        raise Wrong("Leave out characters that cannot be stored (NUL, half of a surrogate pair).")
    return str.__str__(text)


def word(text: Any, longest: int = 100) -> str:
    return stored(text, longest).strip()


def digits(text: str) -> str:
    """Python's own parsers would also take 1_000, ١٢ and nan."""
    if not DIGITS.fullmatch(found := word(text)):
        raise ValueError
    return found


class Text(ParamType):
    type, wrong = "text", "Give text."
    native = True
    schema = {"type": "string", "maxLength": LONGEST}

    def read(self, value: Any) -> str:
        return stored(value)


class Secret(Text):
    """Kept sealed, apart from the other parameters, and shown as MASK."""

    type = "secret"
    ours = True
    schema = {"type": "string", "format": "password", "writeOnly": True}

    def read(self, value: Any) -> str:
        if value == MASK:  # came back from a page or an answer, for instance when a job is copied
            raise Wrong("Give the secret again: what is shown in its place is not its value.")
        return super().read(value)


class Url(ParamType):
    """A web address that anybody may see: it has no password in it."""

    type, wrong = "url", "Give a web address that begins with http:// or https://."
    ours = True
    schema = {"type": "string", "format": "uri", "maxLength": 2048}

    def read(self, value: Any) -> str:
        url = word(value, 2048)
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise Wrong("Leave user name and password out of the address: others see it.")
        host = (parts.hostname or "").strip(".")
        if UNSAFE_IN_URL.search(url) or parts.scheme not in ("http", "https") or not host or parts.port == 0:
            raise ValueError
        return url


class Ref(ParamType):
    """The public id of a row: `Ref("feeds.Feed")` or `Ref(Feed)`. Whether the row exists is checked elsewhere."""

    type, wrong = "ref", "Give the id of a row, such as 0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a."
    ours = True
    schema = {"type": "string", "format": "uuid"}

    def __init__(self, model: Any) -> None:
        self.model = model if isinstance(model, str) else model._meta.label

    def read(self, value: Any) -> str:
        text = str(value) if isinstance(value, UUID) else word(value).lower()
        if str(UUID(text)) != text:
            raise ValueError
        return text


class File(Ref):
    """The public id of an upload, `File("shop.Upload")`: the file is a row before the job is."""

    type, wrong = "file", "Give the id of an upload."

    def __init__(self, model: Any = None) -> None:
        """Without a model, whether there is such an upload is the job's to find out: a check warns of it."""
        if model is not None:
            super().__init__(model)


class Integer(ParamType):
    """64 bits, or the bounds of `Annotated[int, range(1, 61)]`."""

    type, wrong = "integer", "Give a whole number."
    native = True

    def __init__(self, allowed: range = INT64) -> None:
        self.ours = allowed is not INT64
        if allowed.step != 1 or not allowed:
            raise TypeError("bounds are a range with step 1 that is not empty")
        self.lowest, self.highest = allowed[0], allowed[-1]
        self.schema = {"type": "integer", "minimum": self.lowest, "maximum": self.highest}

    def read(self, value: Any) -> int:
        if isinstance(value, str):
            value = int(digits(value))
        if isinstance(value, bool) or value != int(value):
            raise TypeError
        if not self.lowest <= value <= self.highest:
            raise Wrong(f"Give a whole number from {self.lowest} to {self.highest}.")
        return int(value)


class Number(ParamType):
    type, wrong = "number", "Give a number."
    native = True
    schema = {"type": "number"}

    def read(self, value: Any) -> float:
        if isinstance(value, str):
            value = float(digits(value))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError
        if not math.isfinite(value):
            raise Wrong("Give a finite number.")
        return float(value) + 0.0  # minus zero is the same number, and would have another digest


class Exact(ParamType):
    """A Decimal; text in JSON. A float is refused: its digits are no longer the ones that were meant."""

    type, wrong = "decimal", 'Give a decimal number (in JSON as text, such as "9.90").'
    schema = {"type": "string", "format": "decimal"}

    def read(self, value: Any) -> Decimal:
        if isinstance(value, str):
            value = digits(value)
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise TypeError
        found = Decimal(value)
        if not found.is_finite() or found.adjusted() >= 30 or found.as_tuple().exponent < -30:
            raise Wrong("Give at most 30 digits before the point and 30 after it.")
        return found

    def dump(self, value: Decimal) -> str:
        return f"{value:f}"


class Uuid(ParamType):
    type, wrong = "uuid", "Give a UUID, such as 0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a."
    schema = {"type": "string", "format": "uuid"}

    def read(self, value: Any) -> UUID:
        return value if isinstance(value, UUID) else UUID(word(value))

    def dump(self, value: UUID) -> str:
        return str(value)


class Boolean(ParamType):
    type, wrong = "boolean", "Give true or false."
    native = True
    schema = {"type": "boolean"}

    def read(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if (said := BOOLEANS.get(word(value).lower())) is None:
            raise ValueError
        return said


class Date(ParamType):
    type, wrong = "date", "Give a date, such as 2026-11-23."
    schema = {"type": "string", "format": "date"}

    def read(self, value: Any) -> date:
        if type(value) is date:
            return value
        found = date.fromisoformat(text := word(value))
        if found.isoformat() != text:  # week dates and other forms that not every Python reads
            raise ValueError
        return found

    def dump(self, value: date) -> str:
        return value.isoformat()


class Moment(ParamType):
    """A datetime, kept in UTC. One without an offset would be a guess, so it is refused; forms add the user's zone."""

    type, wrong = "datetime", "Give a date and time with its offset from UTC, such as 2026-11-23T10:00:00Z."
    schema = {"type": "string", "format": "date-time"}

    def read(self, value: Any) -> datetime:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(word(value))
        if found.utcoffset() is None:
            raise ValueError
        return found.astimezone(UTC)

    def dump(self, value: datetime) -> str:
        return value.isoformat().replace("+00:00", "Z")

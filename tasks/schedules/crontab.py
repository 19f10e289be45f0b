"""Crontabs: five fields as sets of numbers, read as Celery and vixie-cron read them, and said in words.

Pure functions of texts. A range may wrap (``FRI-MON``, ``22-2``), and 7 is Sunday as 0 is.
"""

from itertools import product
from typing import NamedTuple

from cron_descriptor import ExpressionDescriptor, Options

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MOST_IN_WORDS = 4  # sentences, for a crontab that is said as several ones


class WrongField(ValueError):
    """The text is one sentence that names the field."""


class Field(NamedTuple):
    """``names`` mean the numbers from ``low`` on."""

    column: str  # of django-celery-beat's CrontabSchedule
    label: str
    low: int
    high: int
    room: int  # characters, as many as the column has
    names: tuple[str, ...] = ()

    def read(self, text: str) -> frozenset[int]:
        """The numbers that a text such as ``*/15`` or ``MON-FRI,0`` means. Raises WrongField."""
        if len(text) > self.room:
            raise WrongField(f"The {self.label} has more than {self.room} characters.")
        try:
            return frozenset(number for part in text.split(",") for number in self._part(part.strip().lower()))
        except ValueError as error:
            hint = f", or names such as {self.names[1][:3]}" if self.names else ""
            raise WrongField(
                f"The {self.label} {text[:40]!r} is wrong: {error}. "
                f"It takes numbers from {self.low} to {self.last}{hint}, *, ranges (a-b), steps (*/n) and lists (a,b)."
            ) from None

    @property
    def last(self) -> int:
        """The highest number that may be written."""
        return 7 if self.column == "day_of_week" else self.high

    def _part(self, text: str) -> list[int]:
        span, slash, step = text.partition("/")
        first, dash, end = span.partition("-")
        if span == "*":
            found = list(range(self.low, self.high + 1))
        elif dash:
            found = self._range(self._number(first), self._number(end))
        elif slash:
            raise ValueError("a step needs * or a range before it")
        else:
            found = [self._wrapped(self._number(span))]
        return found[:: self._step(step)] if slash else found

    def _range(self, first: int, end: int) -> list[int]:
        """From first to end; round the corner when the end is the smaller one."""
        numbers = range(first, end + 1) if first <= end else [*range(first, self.high + 1), *range(self.low, end + 1)]
        return list(dict.fromkeys(self._wrapped(number) for number in numbers))

    def _number(self, text: str) -> int:
        for number, name in enumerate(self.names, self.low):
            if text in (name, name[:3]):
                return number
        if not (text.isascii() and text.isdigit() and len(text) < 4):
            raise ValueError(f"{text!r} is no number" if text else "something is missing")
        if not self.low <= int(text) <= self.last:
            raise ValueError(f"{int(text)} is out of range")
        return int(text)

    def _wrapped(self, number: int) -> int:
        return number if number <= self.high else self.low

    def _step(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text)):
            raise ValueError("a step is a whole number from 1 on")
        return int(text)


FIELDS = (
    Field("minute", "minute", 0, 59, 240),
    Field("hour", "hour", 0, 23, 96),
    Field("day_of_month", "day of the month", 1, 31, 124),
    Field("month_of_year", "month", 1, 12, 64, MONTHS),
    Field("day_of_week", "day of the week", 0, 6, 64, DAYS),
)


def read(texts: tuple[str, ...]) -> tuple[frozenset[int], ...]:
    """The numbers of the five fields, in their order. Raises WrongField."""
    return tuple(field.read(text) for field, text in zip(FIELDS, texts, strict=True))


def in_words(text: str) -> str:
    """Five fields as half a sentence; a text that nobody can read, as it is."""
    try:
        fields = text.split()
        read(tuple(fields))
        # A crontab with lists of steps runs when one of several simple ones does: those are said, one after the other.
        simple = list(product(*(_alternatives(field) for field in fields)))
        if len(simple) > MOST_IN_WORDS:
            return text
        return "; and ".join(_said(" ".join(each)) for each in simple)
    except Exception:  # errors of the library that says it are of many classes
        return text


def _alternatives(field: str) -> list[str]:
    return field.split(",") if "/" in field or "*" in field else [field]


def _said(text: str) -> str:
    options = Options()
    options.use_24hour_time_format = True
    said = ExpressionDescriptor(text, options).get_description()
    return said[:1].lower() + said[1:]

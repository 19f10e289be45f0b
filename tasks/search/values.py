"""What may stand after the colon of a filter: lists of names, moments, ages, ids, durations. Each reader takes text.

A wrong value raises SearchError with one sentence. ``tasks.search.language`` says which filter takes what.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.utils.dateparse import parse_date, parse_datetime, parse_time

from tasks.engine.models import State
from tasks.params.signature import MASK

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
AGO = re.compile(r"([0-9]{1,6})([smhdw])")
CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
DAYS = {"today": 0, "yesterday": 1}
DAY = re.compile(r"(today|yesterday)(?:[ T]([0-9:]{4,8}))?", re.IGNORECASE)
SPACE = re.compile(r"(:[0-9:.]{1,20}) (?=[0-9]{2}:[0-9]{2}$)")  # what a URL makes of the + of a time zone
HEX = re.compile(r"[0-9a-f]{4,32}")
NAME = re.compile(r"[^\0\ud800-\udfff]{1,200}")
GROUP = re.compile(r"[0-9A-Za-z]{1,64}")
NO_KEY = "none"  # how the failures without a pattern are asked for
TOOK = re.compile(r"(>=|<=|>|<)\s?([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|min|m|h|d|)")
SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


class SearchError(ValueError):
    """``errors``: filter (or ``q``) → what is wrong with it, in one sentence."""

    def __init__(self, **errors: str) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


class Took(NamedTuple):
    """A bound of how long a job ran, as it was typed: ``>1s`` is ``(">", 1.0, "1s")``."""

    than: str
    seconds: float
    words: str


def split_list(values: Iterable[str]) -> list[str]:
    return [part.strip() for value in values for part in _split(value) if part.strip()]


def plain(value: str) -> str:
    """One value without its quotation marks, if it means the same without them."""
    parts = _split(value)
    return parts[0] if len(parts) == 1 and not set(parts[0]) & set(',"') else value


def _split(value: str) -> list[str]:
    """At its commas, but for those between quotation marks; there a doubled quotation mark stands for one."""
    parts, inside, i = [""], False, 0
    while i < len(value):
        letter = value[i]
        if inside and value[i : i + 2] == '""':
            parts[-1] += '"'
            i += 1
        elif letter == '"' and (inside or not parts[-1].strip()):
            inside = not inside
        elif letter == "," and not inside:
            parts.append("")
        else:
            parts[-1] += letter
        i += 1
    return parts


def states(values: Iterable[str], me: str) -> list[str]:
    parts = [part.lower() for part in split_list(values)]
    if not parts:
        raise SearchError(state=f"state: needs one of: {', '.join(State.values)}.")
    for part in parts:
        if part not in State.values:
            raise SearchError(state=f"There is no state {part[:40]!r}. There are: {', '.join(State.values)}.")
    return parts


def names(filter_name: str) -> Callable[[Iterable[str], str], list[str]]:
    def read(values: Iterable[str], me: str) -> list[str]:
        parts = split_list(values)
        if not parts or not all(NAME.fullmatch(part) for part in parts):
            raise SearchError(**{filter_name: f"{filter_name}: needs a name of at most 200 characters."})
        return [me if filter_name == "owner" and part == "me" else part for part in parts]

    return read


def arguments(name: str, values: Iterable[str]) -> list[str]:
    parts = split_list(values)
    if not parts or not all(NAME.fullmatch(part) for part in parts):
        raise SearchError(**{name: f"{name}: needs a value of at most 200 characters."})
    if any(MASK in part for part in parts):
        raise SearchError(**{name: f"{name}: secrets cannot be searched."})
    return parts


def texts(values: Iterable[str], me: str) -> list[str]:
    parts = split_list(values)
    if not parts or not all(NAME.fullmatch(part) for part in parts):
        raise SearchError(error="error: needs a text of at most 200 characters, in quotation marks if it has spaces.")
    return parts


def took(values: Iterable[str]) -> list[Took]:
    found = []
    for value in values:
        match = TOOK.fullmatch(plain(value).strip().lower())
        if match is None:
            raise SearchError(took="took: takes a bound such as >1s, <500ms, >=2min or >1h.")
        found.append(Took(match[1], float(match[2]) * SECONDS[match[3]], f"{match[2]} {match[3] or 's'}"))
    return found


def moment(name: str) -> Callable[[str, datetime], datetime]:
    """A reader of moments: an age, a time of day (the last such time), a day, a date, an RFC 3339 time."""

    def read(text: str, now: datetime) -> datetime:
        try:
            if found := _moment(text.strip(), now):
                return found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise SearchError(
            **{name: f"{name}: takes 30m, 2h, 7d, 14:05, yesterday, a date, or a time such as 2026-11-23T10:00:00Z."}
        )

    return read


def _moment(text: str, now: datetime) -> datetime | None:
    if ago := AGO.fullmatch(text):
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    if CLOCK.fullmatch(text):
        at = datetime.combine(now.date(), parse_time(text) or _wrong(), now.tzinfo)
        return at if at <= now else datetime.combine(now.date() - timedelta(days=1), at.time(), now.tzinfo)
    if day := DAY.fullmatch(text):
        clock = parse_time(day[2]) if day[2] else datetime.min.time()
        date = now.date() - timedelta(days=DAYS[day[1].lower()])
        return datetime.combine(date, clock or _wrong(), now.tzinfo)
    found = parse_datetime(SPACE.sub(r"\1+", text))
    date = None if found else parse_date(text)
    found = found or (date and datetime(date.year, date.month, date.day))
    return found and (found if found.tzinfo else found.replace(tzinfo=now.tzinfo))


def _wrong() -> None:
    raise ValueError


def ended(name: str) -> Callable[[str, datetime], datetime]:
    """Ages count in whole minutes, as the counts of the last hour do: the two give the same jobs."""
    read = moment(name)
    return lambda text, now: read(text, now.replace(second=0, microsecond=0) if AGO.fullmatch(text) else now)


def span(name: str) -> Callable[[str, datetime], tuple[datetime | None, datetime | None]]:
    """A reader of ``14:05..14:20``: two moments, the second exclusive; one of them may be left out."""
    read = moment(name)

    def read_span(text: str, now: datetime) -> tuple[datetime | None, datetime | None]:
        begin, dots, end = (part.strip() for part in text.partition(".."))
        if not dots or not (begin or end):
            raise SearchError(**{name: f"{name}: takes a span such as 14:05..14:20, with two dots between its ends."})
        since, until = read(begin, now) if begin else None, read(end, now) if end else None
        return since, following(name, since, until, end)

    return read_span


def following(name: str, since: datetime | None, until: datetime | None, text: str) -> datetime | None:
    """The end of a span as typed in ``text``: a time of day is the next one after its beginning."""
    if since and until and until <= since and CLOCK.fullmatch(text):
        until += timedelta(days=1)
    if since and until and until <= since:
        raise SearchError(**{name: f"{name}: ends before it begins."})
    return until


def id_range(text: str, now: datetime) -> tuple[UUID, UUID]:
    digits = text.lower().replace("-", "")
    if not HEX.fullmatch(digits):
        raise SearchError(id="id: takes an id, or at least its first 4 digits.")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def uuid(name: str) -> Callable[[str, datetime], UUID]:
    def read(text: str, now: datetime) -> UUID:
        try:
            return UUID(text)
        except ValueError:
            raise SearchError(**{name: f"{name}: takes a whole id."}) from None

    return read


def group(text: str, now: datetime) -> str:
    if not all(GROUP.fullmatch(key) for key in text.split(",")):
        raise SearchError(failure="failure: takes the key of a group of failures.")
    return ",".join("" if key == NO_KEY else key for key in text.split(","))

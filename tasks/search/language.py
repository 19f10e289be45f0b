"""The search language, one parser for the search box, the API's filters and bulk actions:

``state:failed kind:fetch_feed queue:io owner:me since:2h until:2026-11-01 id:0199c1 some words "a phrase"``.

Filters are joined by AND, the same one twice by OR; words are looked for in parameters, errors and kinds. What that
finds, and how many rows it may read, is for ``tasks.search.finder``; what it is called, for ``tasks.search.wording``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from tasks.engine.models import State

LONGEST, MOST_WORDS = 500, 10  # characters of a search, or of one value of a filter; words
MOST_VALUES = 100  # of all filters together
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
AGO = re.compile(r"([0-9]{1,6})([smhdw])")
TOKEN = re.compile(r'(?:[^\s"]|"[^"]*")+')
FILTER = re.compile(r"([A-Za-z_]+):(?!//)(.*)", re.DOTALL)
HEX = re.compile(r"[0-9a-f]{4,32}")
NAME = re.compile(r"[^\0\ud800-\udfff]{1,200}")
LEFT_OUT = re.compile(r"-([A-Za-z_]+):(?!//)")
JOINED = ("OR", "AND", "NOT")  # words of other search boxes
SPACE = re.compile(r"(:[0-9:.]{1,20}) (?=[0-9]{2}:[0-9]{2}$)")  # what a URL makes of the + of a time zone
GROUP = re.compile(r"[0-9A-Za-z]{1,64}")
NO_KEY = "none"  # how the failures without a pattern are asked for


class SearchError(ValueError):
    """``errors``: filter (or ``q``) → what is wrong with it, in one sentence."""

    def __init__(self, **errors: str) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


@dataclass(frozen=True)
class Query:
    """What is looked for. A set of values is an OR; everything that is here is joined by AND."""

    state: tuple[frozenset[str], ...] = ()
    kind: tuple[frozenset[str], ...] = ()
    queue: tuple[frozenset[str], ...] = ()
    owner: tuple[frozenset[str], ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    succeeded: datetime | None = None
    failed: datetime | None = None
    cancelled: datetime | None = None
    id: tuple[UUID, UUID] | None = None
    parent: UUID | None = None
    schedule: UUID | None = None
    bulk: UUID | None = None
    failure: str | None = None
    words: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Nothing is asked for, so every job matches."""
        return self == Query()

    @property
    def states(self) -> frozenset[str] | None:
        """The states that a job may be in, if any are asked for: what a bulk action cancelled is cancelled still."""
        asked = (*self.state, *([frozenset({State.CANCELLED})] if self.bulk else []))
        return frozenset.intersection(*asked) if asked else None

    @classmethod
    def of(cls, given: Mapping[str, Iterable[str]], me: str = "", now: datetime | None = None) -> Self:
        """From ``{"q": ["…"], "state": ["failed"], …}``; ``me`` is whom ``owner:me`` means. Raises SearchError.

        ``now``: the moment from which an age such as ``2h`` counts back, and the zone of times that name none.
        """
        now = now or datetime.now(UTC)
        _short(given)
        typed, words = parse(" ".join(given.get("q", ())))
        asked = {name: [str(value) for value in values] for name, values in given.items() if name != "q"}
        found: dict[str, Any] = {"words": words}
        for name in dict.fromkeys((*typed, *asked)):
            sources = [values for values in (typed.get(name), asked.get(name)) if values]
            if name in SETS:
                found[name] = tuple(frozenset(SETS[name](values, me)) for values in sources)
            elif name in SINGLE:
                values = [_plain(value) for source in sources for value in source]
                if len(set(values)) > 1:
                    raise SearchError(**{name: f"{name}: may be given once only."})
                found[name] = SINGLE[name](values[0], now)
            else:
                raise SearchError(**{name: unknown(name)})
        return cls(**found)


def _short(given: Mapping[str, Iterable[str]]) -> None:
    """Lengths before anything else looks at a value: whoever asks must not choose how long that takes."""
    values = [(name, value) for name, each in given.items() for value in each]
    for name, value in values:
        if len(str(value)) > LONGEST:
            raise SearchError(**{name[:40]: f"A search, and each of its values, has at most {LONGEST} characters."})
    if len(values) > MOST_VALUES:
        raise SearchError(q=f"A search has at most {MOST_VALUES} filters.")


def parse(text: str) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """What was typed, as filters and words: ``({"state": ["failed"]}, ("timeout",))``."""
    if len(text) > LONGEST:
        raise SearchError(q=f"A search has at most {LONGEST} characters.")
    if text.count('"') % 2:
        raise SearchError(q="A quotation mark is missing.")
    filters: dict[str, list[str]] = {}
    words: list[str] = []
    for token in TOKEN.findall(text):
        _must_be_ours(token)
        match = None if token.startswith('"') else FILTER.fullmatch(token)
        if match is None:
            words.append(_word(token.replace('"', "")))
            continue
        name, value = match[1].lower(), match[2]
        if name not in FILTERS:
            raise SearchError(q=unknown(name))
        value = _plain(value) if value.startswith('"') else value.replace('"', "")
        if not _parts([value]):
            raise SearchError(q=f"{name}: needs a value, without a space after the colon.")
        filters.setdefault(name, []).append(value)
    words = [word for word in words if word]
    if len(words) > MOST_WORDS:
        raise SearchError(q=f"A search has at most {MOST_WORDS} words.")
    return filters, tuple(words)


def _must_be_ours(token: str) -> None:
    """Refuse what other search boxes know and this one does not, instead of looking for it as a word."""
    if (left_out := LEFT_OUT.match(token)) and left_out[1].lower() in FILTERS:
        name = left_out[1].lower()
        wanted = "state:queued,running" if name == "state" else f"{name}: with those that you want"
        raise SearchError(q=f"-{name}: is not understood: nothing can be left out. Ask for what you want: {wanted}.")
    if token in JOINED:
        raise SearchError(
            q=f"{token} is not understood. Filters and words must all be true; a comma means either, as in "
            f'state:failed,cancelled. The word itself goes in quotation marks: "{token}".'
        )


def edited(text: str, name: str, value: str = "") -> str:
    """What was typed, with one filter replaced by another value of it, or taken away. For links beside the box."""
    kept = [token for token in TOKEN.findall(text[: LONGEST + 1]) if not token.lower().startswith(f"{name}:")]
    return " ".join([*kept, *([f"{name}:{value}"] if value else [])])


def unknown(name: str) -> str:
    *most, last = (f"{each}:" for each in FILTERS)
    return (
        f"There is no filter {name[:40]}:. There are {', '.join(most)} and {last}. "
        "A text with a colon goes in quotation marks."
    )


def _word(text: str) -> str:
    if text and not NAME.fullmatch(text):
        raise SearchError(q="A word has at most 200 characters that can be stored.")
    return text


def _parts(values: Iterable[str]) -> list[str]:
    return [part.strip() for value in values for part in _split(value) if part.strip()]


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


def _states(values: Iterable[str], me: str) -> list[str]:
    parts = [part.lower() for part in _parts(values)]
    if not parts:
        raise SearchError(state=f"state: needs one of: {', '.join(State.values)}.")
    for part in parts:
        if part not in State.values:
            raise SearchError(state=f"There is no state {part[:40]!r}. There are: {', '.join(State.values)}.")
    return parts


def _plain(value: str) -> str:
    """One value without its quotation marks, if it means the same without them."""
    parts = _split(value)
    return parts[0] if len(parts) == 1 and not set(parts[0]) & set(',"') else value


def _names(filter_name: str) -> Callable[[Iterable[str], str], list[str]]:
    def read(values: Iterable[str], me: str) -> list[str]:
        parts = _parts(values)
        if not parts or not all(NAME.fullmatch(part) for part in parts):
            raise SearchError(**{filter_name: f"{filter_name}: needs a name of at most 200 characters."})
        return [me if filter_name == "owner" and part == "me" else part for part in parts]

    return read


def _moment(name: str) -> Callable[[str, datetime], datetime]:
    def read(text: str, now: datetime) -> datetime:
        try:
            if ago := AGO.fullmatch(text):
                return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
            moment = parse_datetime(SPACE.sub(r"\1+", text))
            day = None if moment else parse_date(text)
            found = moment or (day and datetime(day.year, day.month, day.day))
            if found:
                return (found if found.tzinfo else found.replace(tzinfo=now.tzinfo)).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise SearchError(**{name: f"{name}: takes 30m, 2h, 7d, a date, or a time such as 2026-11-23T10:00:00Z."})

    return read


def _ended(name: str) -> Callable[[str, datetime], datetime]:
    """Ages count in whole minutes, as the counts of the last hour do: the two give the same jobs."""
    read = _moment(name)
    return lambda text, now: read(text, now.replace(second=0, microsecond=0) if AGO.fullmatch(text) else now)


def _id_range(text: str, now: datetime) -> tuple[UUID, UUID]:
    digits = text.lower().replace("-", "")
    if not HEX.fullmatch(digits):
        raise SearchError(id="id: takes an id, or at least its first 4 digits.")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _uuid(name: str) -> Callable[[str, datetime], UUID]:
    def read(text: str, now: datetime) -> UUID:
        try:
            return UUID(text)
        except ValueError:
            raise SearchError(**{name: f"{name}: takes a whole id."}) from None

    return read


def _group(text: str, now: datetime) -> str:
    if not all(GROUP.fullmatch(key) for key in text.split(",")):
        raise SearchError(failure="failure: takes the key of a group of failures.")
    return ",".join("" if key == NO_KEY else key for key in text.split(","))


SETS = {"state": _states, "kind": _names("kind"), "queue": _names("queue"), "owner": _names("owner")}
SINGLE: dict[str, Callable[[str, datetime], Any]] = {
    "since": _moment("since"),
    "until": _moment("until"),
    "succeeded": _ended("succeeded"),
    "failed": _ended("failed"),
    "cancelled": _ended("cancelled"),
    "id": _id_range,
    "parent": _uuid("parent"),
    "schedule": _uuid("schedule"),
    "bulk": _uuid("bulk"),
    "failure": _group,
}
FILTERS = (*SETS, *SINGLE)
MOMENTS = ("since", "until", "succeeded", "failed", "cancelled")


def read(text: str, me: str) -> tuple[Query | None, list[str]]:
    """The search that was typed, or what is wrong with it."""
    try:
        return Query.of({"q": [text]}, me, timezone.localtime()), []
    except SearchError as error:
        return None, list(error.errors.values())

"""The search language, one parser for the search box, the API's filters and bulk actions:

``state:failed kind:fetch_feed args.order_id:8812 took:>1s since:14:05 -queue:io some words "a phrase"``.

Filters are joined by AND, the same one twice by OR; a leading ``-`` leaves out. Words are looked for in titles, kinds,
parameters and errors. What that finds is for ``finder`` and ``conditions``; what it is called, for ``wording``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Self
from uuid import UUID

from django.utils import timezone

from tasks.engine.models import State
from tasks.search import values as value_of
from tasks.search.values import NAME, NO_KEY, SearchError, Took

__all__ = ["ARGS", "FILTERS", "MOMENTS", "NO_KEY", "Query", "SearchError", "edited", "parse", "read", "taken_for_words"]

LONGEST, MOST_WORDS = 500, 10  # characters of a search, or of one value of a filter; words
MOST_VALUES = 100  # of all filters together
TOKEN = re.compile(r'(?:[^\s"]|"[^"]*")+')
FILTER = re.compile(r"(-?)([A-Za-z_][A-Za-z0-9_.]*):(?!//)(.*)", re.DOTALL)
ARGS = "args."
ARGUMENT = re.compile(r"args((?:\.[A-Za-z_][A-Za-z0-9_]{0,99}){1,5})")
JOINED = ("OR", "AND", "NOT")  # words of other search boxes
OTHERS = {  # names that other tools have for our filters
    "status": "state", "user": "owner", "task": "kind", "after": "since", "before": "until", "runtime": "took",
    "duration": "took", "exception": "error", "hostname": "worker",
}  # fmt: skip
LIKE = 0.8  # of 1: a name so similar to a filter's counts as a typing error

SETS: dict[str, Callable[[Iterable[str], str], list[str]]] = {
    "state": value_of.states,
    **{name: value_of.names(name) for name in ("kind", "queue", "owner", "app", "worker", "release")},
    "error": value_of.texts,
}
SINGLE: dict[str, Callable[[str, datetime], Any]] = {
    "since": value_of.moment("since"),
    "until": value_of.moment("until"),
    "succeeded": value_of.ended("succeeded"),
    "failed": value_of.ended("failed"),
    "cancelled": value_of.ended("cancelled"),
    "ended": value_of.span("ended"),
    "id": value_of.id_range,
    "parent": value_of.uuid("parent"),
    "schedule": value_of.uuid("schedule"),
    "bulk": value_of.uuid("bulk"),
    "batch": value_of.uuid("batch"),
    "failure": value_of.group,
}
FILTERS = (*SETS, "took", *SINGLE)
MOMENTS = ("since", "until", "succeeded", "failed", "cancelled")
LEFT_OUT = frozenset(SETS) - {"app"}  # what a leading - works with, beside words and args.
EVERY_APP = "*"


@dataclass(frozen=True)
class Query:
    """What is looked for. A set of values is an OR; everything that is here is joined by AND.

    ``args``: the path of a parameter and its values. ``without``: what must not be true, one condition each.
    """

    state: tuple[frozenset[str], ...] = ()
    kind: tuple[frozenset[str], ...] = ()
    queue: tuple[frozenset[str], ...] = ()
    owner: tuple[frozenset[str], ...] = ()
    app: tuple[frozenset[str], ...] = ()
    worker: tuple[frozenset[str], ...] = ()
    release: tuple[frozenset[str], ...] = ()
    error: tuple[frozenset[str], ...] = ()
    args: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = ()
    took: tuple[Took, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    succeeded: datetime | None = None
    failed: datetime | None = None
    cancelled: datetime | None = None
    ended: tuple[datetime | None, datetime | None] | None = None
    id: tuple[UUID, UUID] | None = None
    parent: UUID | None = None
    schedule: UUID | None = None
    bulk: UUID | None = None
    batch: UUID | None = None
    failure: str | None = None
    words: tuple[str, ...] = ()
    without: tuple["Query", ...] = ()

    @property
    def is_everything(self) -> bool:
        """Nothing is asked for, so every job matches."""
        return self == Query()

    def in_every_app(self) -> Self:
        """The same, of all applications unless it names some: what the Jobs page means."""
        return self if self.app else replace(self, app=(frozenset({EVERY_APP}),))

    @property
    def states(self) -> frozenset[str] | None:
        """The states that a job may be in, if any are asked for: what a bulk action cancelled is cancelled still."""
        asked = [*self.state, *([frozenset({State.CANCELLED})] if self.bulk else [])]
        asked += [frozenset(State.values) - each.state[0] for each in self.without if each.state]
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
        for wrong in (name for name in asked if not is_filter(name)):
            raise SearchError(**{wrong[:40] or "q": unknown(wrong)})
        found, told = dict[str, Any](words=words), dict[str, str]()
        for name in dict.fromkeys((*typed, *asked)):
            sources = [values for values in (typed.get(name), asked.get(name)) if values]
            if name.startswith("-"):
                found["without"] = (*found.get("without", ()), *_without(name[1:], sources[0], me))
            elif name in SETS:
                found[name] = tuple(frozenset(SETS[name](values, me)) for values in sources)
            elif name == "took":
                found[name] = tuple(bound for values in sources for bound in value_of.took(values))
            elif name.startswith(ARGS):
                found["args"] = (*found.get("args", ()), *(_argument(name, values) for values in sources))
            else:
                single = [value_of.plain(value) for source in sources for value in source]
                if len(set(single)) > 1:
                    raise SearchError(**{name: f"{name}: may be given once only."})
                found[name], told[name] = SINGLE[name](single[0], now), single[0].strip()
        if "until" in found:
            found["until"] = value_of.following("until", found.get("since"), found["until"], told["until"])
        return cls(**found)


def _without(name: str, values: list[str], me: str) -> list[Query]:
    if not name:
        return [Query(words=(word,)) for word in values]
    if name.startswith(ARGS):
        return [Query(args=(_argument(name, values),))]
    return [Query(**{name: (frozenset(SETS[name](values, me)),)})]


def _argument(name: str, values: Iterable[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    return tuple(name.removeprefix(ARGS).split(".")), frozenset(value_of.arguments(name, values))


def is_filter(name: str) -> bool:
    return name in FILTERS or is_argument(name)


def is_argument(name: str) -> bool:
    """Whether it names a parameter, as in ``args.order_id``."""
    return ARGUMENT.fullmatch(name) is not None


def _short(given: Mapping[str, Iterable[str]]) -> None:
    """Check lengths before anything else looks at a value, so that no client chooses how long that takes."""
    values = [(name, value) for name, each in given.items() for value in each]
    for name, value in values:
        if len(str(value)) > LONGEST:
            raise SearchError(**{name[:40]: f"A search, and each of its values, has at most {LONGEST} characters."})
    if len(values) > MOST_VALUES:
        raise SearchError(q=f"A search has at most {MOST_VALUES} filters.")


def parse(text: str) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """What was typed, as filters and words: ``({"state": ["failed"], "-": ["refused"]}, ("timeout",))``.

    A name with a leading ``-`` leaves out; ``-`` alone stands for the words that are left out.
    """
    if len(text) > LONGEST:
        raise SearchError(q=f"A search has at most {LONGEST} characters.")
    if text.count('"') % 2:
        raise SearchError(q="A quotation mark is missing.")
    filters: dict[str, list[str]] = {}
    words: list[str] = []
    for token in TOKEN.findall(text):
        name, value = _filter_of(token)
        if name is None:
            words.append(_word(value))
        elif name == "-":
            filters.setdefault(name, []).append(_word(value))
        else:
            value = value_of.plain(value) if value.startswith('"') else value.replace('"', "")
            if not value_of.split_list([value]):
                raise SearchError(q=f"{name}: needs a value, without a space after the colon.")
            filters.setdefault(name, []).append(value)
    words = [word for word in words if word]
    if len(words) + len(filters.get("-", ())) > MOST_WORDS:
        raise SearchError(q=f"A search has at most {MOST_WORDS} words.")
    return filters, tuple(words)


def _filter_of(token: str) -> tuple[str | None, str]:
    """A piece of a search as (filter, value); the name None stands for a word, ``-`` for a word to leave out."""
    match = None if token.startswith('"') else FILTER.fullmatch(token)
    if match:
        minus, name, value = match[1], match[2], match[3]
        name = name if name.lower().startswith(ARGS) else name.lower()
        name = ARGS + name[len(ARGS) :] if name.lower().startswith(ARGS) else name
        if is_filter(name):
            if minus and not (name in LEFT_OUT or name.startswith(ARGS)):
                raise SearchError(q=f"-{name}: is not understood: {name}: cannot be left out.")
            return minus + name, value
        _refuse_typing_errors(minus, name, value)
    if token in JOINED:
        raise SearchError(
            q=f"{token} is not understood. Filters and words must all be true; a comma means either, as in "
            f'state:failed,cancelled, and a leading - means not. The word itself goes in quotation marks: "{token}".'
        )
    if len(token) > 1 and token[0] == "-" and token[1] != "-":
        return "-", token[1:].replace('"', "")
    return None, token.replace('"', "")


def _refuse_typing_errors(minus: str, name: str, value: str) -> None:
    """A name that is nearly a filter's would be looked for as a word, and find nothing; left out, it would widen."""
    meant = OTHERS.get(name) or next(iter(get_close_matches(name, FILTERS, 1, LIKE)), None)
    if meant or minus or name.startswith(ARGS):
        hint = f"Did you mean {minus}{meant}:{value[:40]}? " if meant else ""
        raise SearchError(q=f"{hint}{unknown(name)}")


def taken_for_words(text: str) -> list[str]:
    """Sentences about what looks like a filter and was taken for a word; none for a text that cannot be read."""
    said = []
    try:
        parse(text)
    except SearchError:
        return []
    for token in TOKEN.findall(text):
        name, value = _filter_of(token)
        match = None if token.startswith('"') else FILTER.fullmatch(token)
        if name is None and match:
            said.append(
                f"“{value}” was taken for a word, since there is no filter {match[2]}:. "
                f"A parameter is searched by its name: {ARGS}{match[2].replace('.', '_')}:{match[3] or '…'}"
            )
    return said


def edited(text: str, name: str, value: str = "") -> str:
    """What was typed, with one filter replaced by another value of it, or taken away. For links beside the box."""
    begins = f"{name}:", f"-{name}:"
    kept = [token for token in TOKEN.findall(text[: LONGEST + 1]) if not token.lower().startswith(begins)]
    return " ".join([*kept, *([f"{name}:{value}"] if value else [])])


def unknown(name: str) -> str:
    most = ", ".join(f"{each}:" for each in FILTERS)
    there_are = f"There are {most} and args.<name>:."
    return f"There is no filter {name[:40]}:. {there_are} A text with a colon goes in quotation marks."


def _word(text: str) -> str:
    if text and not NAME.fullmatch(text):
        raise SearchError(q="A word has at most 200 characters that can be stored.")
    return text


def read(text: str, me: str) -> tuple[Query | None, list[str]]:
    """The search that was typed, or what is wrong with it."""
    try:
        return Query.of({"q": [text]}, me, timezone.localtime()), []
    except SearchError as error:
        return None, list(error.errors.values())

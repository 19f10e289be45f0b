"""A search in words, for people who are about to act on what it finds: the same filters, as half a sentence."""

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from tasks.search.language import Query

BOUNDS = {">": "longer than", ">=": "at least", "<": "shorter than", "<=": "at most"}
ENDS = ("succeeded", "failed", "cancelled")


def describe_query(query: Query) -> str:
    """As in ``jobs that are failed or cancelled, of kind noop, in queue io, owned by alice, made since 23 Nov …``."""
    parts = [
        *(f"that are {_any(names)}" for names in query.state),
        *(f"of kind {_any(names)}" for names in query.kind),
        *(f"in queue {_any(names)}" for names in query.queue),
        *(f"owned by {_any(names)}" for names in query.owner),
        *(f"of the app {_any(names)}" if "*" not in names else "of every app" for names in query.app),
        *(f"run by worker {_any(names)}" for names in query.worker),
        *(f"of release {_any(names)}" for names in query.release),
        *(f"whose {'.'.join(path)} is {_any(values)}" for path, values in query.args),
        *(f"whose error has {_any(map(_quote, texts))}" for texts in query.error),
        *(f"that ran {BOUNDS[bound.than]} {bound.words}" for bound in query.took),
        f"made since {_moment(query.since)}" if query.since else "",
        f"made before {_moment(query.until)}" if query.until else "",
        *(f"that {_past(name)} since {_moment(at)}" for name in ENDS if (at := getattr(query, name))),
        f"that ended {_span(*query.ended)}" if query.ended else "",
        _id(query),
        f"made by job {query.parent}" if query.parent else "",
        f"made by schedule {query.schedule}" if query.schedule else "",
        f"cancelled by bulk action {query.bulk}" if query.bulk else "",
        f"changed by bulk action {query.batch}" if query.batch else "",
        "with the same pattern of error" if query.failure is not None else "",
        "with " + " and ".join(map(_quote, query.words)) if query.words else "",
        *(f"but not those {describe_query(left_out).removeprefix('jobs ')}" for left_out in query.without),
    ]
    return "jobs " + ", ".join(part for part in parts if part) if any(parts) else "all jobs"


def _span(since: datetime | None, until: datetime | None) -> str:
    return " and ".join(
        part
        for part in (f"since {_moment(since)}" if since else "", f"before {_moment(until)}" if until else "")
        if part
    )


def _past(name: str) -> str:
    return f"were {name}" if name == "cancelled" else name


def _quote(word: str) -> str:
    return f"“{word}”"


def _any(names: Iterable[str]) -> str:
    *others, last = sorted(names)
    return f"{', '.join(others)} or {last}" if others else last


def _moment(moment: datetime) -> str:
    local = moment.astimezone(timezone.get_current_timezone())
    return f"{local.day} {local:%b %Y, %H:%M:%S}"


def _id(query: Query) -> str:
    if not query.id:
        return ""
    first, last = (str(end) for end in query.id)
    same = next((i for i, pair in enumerate(zip(first, last, strict=True)) if pair[0] != pair[1]), len(first))
    return f"whose id is {first}" if same == len(first) else f"whose id begins with {first[:same].rstrip('-')}"

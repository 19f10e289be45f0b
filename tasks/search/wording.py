"""A search in words, for people who are about to act on what it finds: the same filters, as half a sentence."""

from collections.abc import Collection
from datetime import datetime

from django.utils import timezone

from tasks.search.language import Query

ENDS = ("succeeded", "failed", "cancelled")


def describe_query(query: Query) -> str:
    """As in ``jobs that are failed or cancelled, of kind noop, in queue io, owned by alice, made since 23 Nov …``."""
    parts = [
        *(f"that are {_any(names)}" for names in query.state),
        *(f"of kind {_any(names)}" for names in query.kind),
        *(f"in queue {_any(names)}" for names in query.queue),
        *(f"owned by {_any(names)}" for names in query.owner),
        f"made since {_moment(query.since)}" if query.since else "",
        f"made before {_moment(query.until)}" if query.until else "",
        *(f"that {_past(name)} since {_moment(at)}" for name in ENDS if (at := getattr(query, name))),
        _id(query),
        f"made by job {query.parent}" if query.parent else "",
        f"made by schedule {query.schedule}" if query.schedule else "",
        f"cancelled by bulk action {query.bulk}" if query.bulk else "",
        "with the same pattern of error" if query.failure is not None else "",
        "with " + " and ".join(f"“{word}”" for word in query.words) if query.words else "",
    ]
    return "jobs " + ", ".join(part for part in parts if part) if any(parts) else "all jobs"


def _past(name: str) -> str:
    return f"were {name}" if name == "cancelled" else name


def _any(names: Collection[str]) -> str:
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

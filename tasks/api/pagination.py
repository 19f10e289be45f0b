"""Lists by keyset: a page costs the same however far back it is, and nothing is counted.

A cursor is sealed: it says where the next page begins, and no client can read or make one.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.api.problems import wrong
from tasks.engine import sealing
from tasks.engine.readable import each, readable

DEFAULT, MOST = 50, 100
PARAMETERS = ("limit", "cursor")


class PageStart(NamedTuple):
    """Where a page begins: after a row (``older``), or before it, counted back from it (``newer``)."""

    older: Any = None
    newer: Any = None


def limit(query: dict[str, list[str]], most: int = MOST, default: int = DEFAULT) -> int:
    text = query.get("limit", [str(default)])[-1]
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise wrong(limit=f"Give a whole number from 1 to {most}.")
    return int(text)


def place(query: dict[str, list[str]], of: str) -> PageStart:
    """What the cursor of a list says; the list's name is in it, so that one of another list is refused."""
    text = query.get("cursor", [""])[-1]
    if not text:
        return PageStart()
    try:
        sealed = sealing.unseal(text)
        if sealed["of"] != of:
            raise ValueError
        return PageStart(*(tuple(to) if isinstance(to := sealed.get(name), list) else to for name in PageStart._fields))
    except (ValueError, KeyError, TypeError):
        raise wrong(cursor="This is no cursor of this list. Begin again without one.") from None


def link(request: Request, of: str, **to: Any) -> str:
    """The address of another page of the same list."""
    query = request.query_params.copy()
    query["cursor"] = sealing.seal({"of": of, **to})
    return f"{request.build_absolute_uri(request.path)}?{query.urlencode()}"


def answer(
    request: Request,
    of: str,
    rows: QuerySet[Any],
    shown: Callable[[Any], Any],
    query: dict[str, list[str]],
    key: str = "pk",
) -> Response:
    """A page of ``rows``, newest first. ``key``: a unique column that rises with time (a number, or a UUIDv7)."""
    at, most = place(query, of), limit(query)
    unreadable: list[str] = []
    found, more = read(rows, at, most, key, unreadable)

    def at_row(row: Any) -> Any:
        value = getattr(row, key)
        return value if isinstance(value, int) else str(value)

    onward = found and (more or at.newer is not None)
    backward = found and (more if at.newer is not None else at.older is not None)
    page = {
        "results": each(found, shown, unreadable),
        "next": link(request, of, older=at_row(found[-1])) if onward else None,
        "previous": link(request, of, newer=at_row(found[0])) if backward else None,
    }
    return Response(page | ({"unreadable": unreadable} if unreadable else {}))


def read(
    rows: QuerySet[Any], at: PageStart, most: int, key: str = "pk", unreadable: list[str] | None = None
) -> tuple[list[Any], bool]:
    """Up to ``most`` rows from a place, newest first, and whether more lie in that direction."""
    bad: list[str] = [] if unreadable is None else unreadable
    if at.newer is not None:
        found = readable(rows.filter(**{f"{key}__gt": at.newer}).order_by(key)[: most + 1], bad)
    else:
        rows = rows if at.older is None else rows.filter(**{f"{key}__lt": at.older})
        found = readable(rows.order_by(f"-{key}")[: most + 1], bad)
    more = len(found) + len(bad) > most
    found = found[:-1] if more else found
    return found[::-1] if at.newer is not None else found, more


def beyond(
    rows: Iterable[Any], at: PageStart, most: int, key: Callable[[Any], Any], falling: bool = False
) -> list[Any]:
    """Of rows in the order of their keys those that follow a place, or lead to it; one more than a page holds."""
    if at.newer is not None:
        return [row for row in rows if (key(row) > at.newer if falling else key(row) < at.newer)][-most - 1 :]
    past = at.older is None
    return [row for row in rows if past or (key(row) < at.older if falling else key(row) > at.older)][: most + 1]


def listed(
    request: Request,
    of: str,
    rows: Iterable[Any],
    query: dict[str, list[str]],
    key: Callable[[Any], Any] = itemgetter("name"),
    *,
    falling: bool = False,
    default: int = MOST,
) -> dict[str, Any]:
    """A page of rows that are no table's. ``key``: unique, a text or texts; ``falling``: the last is the first."""
    at, most = place(query, of), limit(query, default=default)
    found = beyond(sorted(rows, key=key, reverse=falling), at, most, key, falling)
    more, back = len(found) > most, at.newer is not None
    found = found[-most:] if back else found[:most]
    onward, backward = (True, more) if back else (more, at.older is not None)
    return {
        "results": found,
        "next": link(request, of, older=key(found[-1])) if found and onward else None,
        "previous": link(request, of, newer=key(found[0])) if found and backward else None,
    }


LIMIT, LIMIT_OF_ALL = (
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": default})
    for default in (DEFAULT, MOST)
)
CURSOR = OpenApiParameter("cursor", str, description="from `next` or `previous`")

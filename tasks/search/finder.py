"""Finding jobs, newest first, at a known price: one search reads FIRST rows at most, and BUDGET each time it goes on.

What is not yet looked at is said, and the next page goes on from there. ``language`` says what is looked for.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import BooleanField, F, Func, Max, Q, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Collate, Concat, Upper

from tasks.engine import registry
from tasks.engine.models import Ending, Job, State, instant
from tasks.queries import board
from tasks.search.language import Query

BUDGET = 20_000
FIRST = 3_000  # the first look answers at once, whatever the history; who asks for more has seen what there is
DISORDER = timedelta(minutes=10)  # rows lie in the order of creation, but for clocks that differ and long transactions
FEW = 1_000  # live jobs whose keys are read beforehand: their indexes are in another order than the pages
ORDERED = (State.FAILED, State.CANCELLED)  # states whose index is in the order of the pages; as its own words have them


class SearchResult(NamedTuple):
    """``older``, ``newer``: where the pages beside this one begin (a key, exclusive), if there are any."""

    jobs: list[Job]
    older: int | None
    newer: int | None
    complete: bool  # all that could match has been looked at, in this direction
    back_to: datetime | None  # or else: so far back


def find(
    query: Query,
    jobs: QuerySet[Job],
    *,
    older: int | None = None,
    newer: int | None = None,
    limit: int = 50,
) -> SearchResult:
    """A page of the jobs that match, among those given: what is older than a key, or what is newer than one."""
    back = newer is None
    led, rest = _lead(query, _in_time(query, jobs))
    order = "-pk" if back else "pk"
    if back and older is not None:
        led = led.filter(pk__lt=older)
    elif not back:
        led = led.filter(pk__gt=newer)
    edge = _edge(led, order, FIRST if older is None and newer is None else BUDGET) if rest else None
    if edge is not None:
        led = led.filter(pk__gte=edge) if back else led.filter(pk__lte=edge)
    rows = list(_shown(_narrow(rest, led)).order_by(order)[: limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    onward = rows[-1].pk if more else edge
    complete = onward is None
    if not back:
        rows.reverse()
    if back:
        newest = rows[0].pk if rows else (older or 0) - 1
        return SearchResult(rows, onward, newest if older is not None else None, complete, onward and created(onward))
    return SearchResult(rows, rows[-1].pk if rows else newer + 1, onward, complete, None)


def window(query: Query, jobs: QuerySet[Job], budget: int | None = None) -> tuple[QuerySet[Job], int | None]:
    """The newest jobs that match, as many as the budget lets one look at; and the key where it ended, if it did."""
    led, rest = _lead(query, _in_time(query, jobs))
    edge = _edge(led, "-pk", budget or BUDGET)
    return _narrow(rest, led if edge is None else led.filter(pk__gte=edge)), edge


def walk(query: Query, jobs: QuerySet[Job], step: int = 200) -> Iterator[list[Job]]:
    """All that match, newest first, in steps: for a job that acts on them. A step may be empty."""
    older: int | None = None
    while True:
        found = find(query, jobs, older=older, limit=step)
        yield found.jobs
        if (older := found.older) is None:
            return


def describe_window(found: SearchResult) -> dict[str, Any]:
    """How far a search has looked, as the API says it."""
    return {"complete": found.complete, "back_to": instant(found.back_to)}


def by_bulk(uid: UUID) -> str:
    """The reason that a bulk action gives for a cancel: what it cancelled is found again by it."""
    return f"bulk action {uid}"


def _lead(query: Query, jobs: QuerySet[Job]) -> tuple[QuerySet[Job], dict[str, Any]]:
    """The jobs narrowed by what an index can lead to, and the conditions that are left to be tried row by row."""
    states = query.states
    rest: dict[str, Any] = {name: list(getattr(query, name)) for name in ("kind", "queue", "owner")}
    rest["state"] = [] if states is None else [states]
    rest["failure"] = [] if query.failure is None else [query.failure]
    rest["bulk"] = [query.bulk] if query.bulk else []
    rest["words"] = query.words
    rest["succeeded"] = [query.succeeded] if query.succeeded else []
    for state in (State.FAILED, State.CANCELLED):
        if since := getattr(query, state):  # by the rows that no retry takes away
            jobs = jobs.filter(pk__in=Ending.objects.filter(state=state, at__gte=since).values("job"))
    if query.id or query.parent or query.schedule:  # a few rows
        jobs = jobs.filter(uid__range=query.id) if query.id else jobs
        jobs = jobs.filter(parent=query.parent) if query.parent else jobs
        jobs = jobs.filter(schedule=query.schedule) if query.schedule else jobs
    elif states is not None and len(states) == 1 and states <= {*ORDERED}:
        rest["state"] = []
        jobs = _in_states(_in_states(jobs, ORDERED), states)  # SQLite takes a partial index by its words only
    elif states is not None and states <= Job.LIVE and (keys := _few(states)) is not None:
        jobs = jobs.filter(pk__in=keys)
    elif owner := next((names for names in query.owner if len(names) == 1), None):
        rest["owner"].remove(owner)
        jobs = jobs.filter(owner_id__in=_ids(owner))
    elif kind := next((names for names in query.kind if len(names) == 1), None):
        rest["kind"].remove(kind)
        jobs = jobs.filter(kind__in=_known_as(kind))
    return jobs, {name: values for name, values in rest.items() if values}


def _known_as(kinds: frozenset[str]) -> set[str]:
    """With the names that rows have, where a kind is asked for by Celery's ``module.function``."""
    return {*kinds, *map(registry.own_name, kinds)}


def _few(states: frozenset[str]) -> list[int] | None:
    """The keys of all jobs in these live states; None when they are many: then the newest rows are full of them."""
    keys: list[int] = []
    for state in states:
        later = State.SCHEDULED, State.RETRYING  # one index for both, which wants both to be named, and so
        rows = _in_states(board.state(*later), frozenset({state})) if state in later else board.state(state)
        keys += rows.order_by().values_list("pk", flat=True)[: FEW + 1 - len(keys)]
        if len(keys) > FEW:
            return None
    return keys


def _narrow(rest: dict[str, Any], jobs: QuerySet[Job]) -> QuerySet[Job]:
    """The rows that meet the rest. Columns stand in expressions, or else a planner would leave the index that leads."""
    for states in rest.get("state", ()):
        jobs = _in_states(jobs, states)
    for names in rest.get("owner", ()):
        jobs = jobs.alias(_owner=F("owner_id") + 0).filter(_owner__in=_ids(names))
    for name in ("kind", "queue"):
        for values in rest.get(name, ()):
            values = _known_as(values) if name == "kind" else values
            jobs = jobs.alias(**{f"_{name}": Concat(name, Value(""))}).filter(**{f"_{name}__in": values})
    for key in rest.get("failure", ()):
        jobs = jobs.filter(error_key__in=key.split(","))  # groups that were merged have several
    for since in rest.get("succeeded", ()):
        jobs = _in_states(jobs, [State.SUCCEEDED]).filter(finished_at__gte=since)
    for uid in rest.get("bulk", ()):
        jobs = jobs.filter(cancel_reason=by_bulk(uid))
    if words := rest.get("words"):
        sqlite, has = connection.vendor == "sqlite", "icontains"
        texts: dict[str, Any] = {"_params": Cast("params", TextField()), "_error": F("error"), "_kind": F("kind")}
        if not sqlite and "".join(words).isascii():  # no letter beyond ASCII is folded, and the words only once
            texts, has = {name: Upper(Collate(text, "C")) for name, text in texts.items()}, "contains"
            words = [word.upper() for word in words]
        jobs = jobs.alias(**texts)
        for word in words:
            if sqlite and not word.isascii():
                jobs = jobs.filter(_has(word))
                continue
            stored = json.dumps(word, ensure_ascii=sqlite)[1:-1]
            looked_for = {"_params": stored, "_error": word, "_kind": word}
            jobs = jobs.filter(Q(*((f"{name}__{has}", text) for name, text in looked_for.items()), _connector=Q.OR))
    return jobs


def _has(word: str) -> Q:
    """Whether a row has a word with letters beyond ASCII, on SQLite: by functions of project.sqlite3."""
    columns = {"params": "SIGNALBOX_JSON_HAS", "error": "SIGNALBOX_HAS", "kind": "SIGNALBOX_HAS"}
    stored = {"params": json.dumps(word, ensure_ascii=False)[1:-1]}
    has = [
        Func(Cast(name, TextField()), Value(stored.get(name, word).upper()), function=sql, output_field=BooleanField())
        for name, sql in columns.items()
    ]
    return Q(has[0]) | Q(has[1]) | Q(has[2])


def _in_states(jobs: QuerySet[Job], names: Iterable[str]) -> QuerySet[Job]:
    """The states stand in the SQL itself: with a parameter, no planner dares to use a partial index."""
    literals = [RawSQL(f"'{State(name)}'", ()) for name in names]  # noqa: S611 - State knows them all
    return jobs.filter(state=literals[0]) if len(literals) == 1 else jobs.filter(state__in=literals)


def _ids(names: frozenset[str]) -> list[int]:
    return list(get_user_model().objects.filter(username__in=names).values_list("pk", flat=True)) or [-1]


def _edge(jobs: QuerySet[Job], order: str, budget: int) -> int | None:
    """The key of the last row that the budget allows, from an index alone; None when there are no more rows."""
    return jobs.order_by(order).values_list("pk", flat=True)[budget - 1 : budget].first()


def _shown(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.select_related("owner").defer(*board.UNSHOWN)


def key_of(uid: UUID) -> int:
    """Where a job of that public id lies in the order of keys.

    Of one that is no more its id tells when it was made: then it is after all that are of the same millisecond or, if
    there are none, of the last one before, so that nothing older is passed over.
    """
    if key := Job.objects.filter(uid=uid).values_list("pk", flat=True).first():
        return key
    last = Job.objects.filter(uid__lte=_millisecond(uid)[1]).order_by("-uid").values_list("uid", flat=True).first()
    return 0 if last is None else Job.objects.filter(uid__range=_millisecond(last)).aggregate(key=Max("pk"))["key"] + 1


def _millisecond(uid: UUID) -> tuple[UUID, UUID]:
    """The first and the last id of the millisecond that an id is of: the order within is chance."""
    chance = (1 << 80) - 1
    return UUID(int=uid.int & ~chance), UUID(int=uid.int | chance)


def created(key: int) -> datetime | None:
    return Job.objects.filter(pk=key).values_list("created_at", flat=True).first()


def _in_time(query: Query, jobs: QuerySet[Job]) -> QuerySet[Job]:
    """By the time of creation, exactly; and by the keys that lie about there, since no index knows the time."""
    if query.since:
        jobs = jobs.filter(created_at__gte=query.since, pk__gte=_key_at(_moved(query.since, -DISORDER)))
    if query.until:
        jobs = jobs.filter(created_at__lt=query.until, pk__lt=_key_at(_moved(query.until, DISORDER)))
    return jobs


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # the first minutes of the year 1, and the last of 9999
        return moment


def _key_at(moment: datetime) -> int:
    """The first key whose row was created at that time or later: found by halving, in two dozen look-ups by key."""
    at = connection.ops.adapt_datetimefield_value(moment)
    table = Job._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT (SELECT min(id) FROM {table}), (SELECT max(id) FROM {table})")  # noqa: S608
        low, high = cursor.fetchone()
        low, high = low or 0, (high or 0) + 1
        while low < high:
            middle = (low + high) // 2
            row = f"SELECT id, created_at >= %s FROM {table} WHERE id >= %s ORDER BY id LIMIT 1"  # noqa: S608
            cursor.execute(row, [at, middle])
            found = cursor.fetchone()
            if found is None or found[1]:
                high = middle
            else:
                low = found[0] + 1
    return low

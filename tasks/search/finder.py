"""Finds jobs, newest first, in bounded time: a search looks at rows for LOOK_S seconds, then says how far it came.

The next page goes on from there. ``language`` reads what is searched for.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Max, Q, QuerySet
from django.db.models.expressions import RawSQL

from tasks.engine.applications import OWN
from tasks.engine.models import Ending, Job, State, instant
from tasks.queries import board
from tasks.search import conditions
from tasks.search.language import EVERY_APP, Query
from tasks.search.models import BulkPart

LOOK_S = 0.2  # of the database, for one page; the last step may take half as long again
STEP, GROWS = 1_000, 8  # rows that are looked at first, and how much more each next time
BUDGET = 20_000
FIRST = 3_000  # rows of a window that must answer at once
DISORDER = timedelta(minutes=10)  # keys follow the time of creation but for this much: clocks, long transactions
LATE = timedelta(seconds=15)  # by which the row of a watched task may come after the task
FEW = 1_000  # live jobs whose keys are read beforehand: their indexes are in another order than the pages
ORDERED = (State.FAILED, State.CANCELLED)  # states whose index is in the order of the pages; as its own words have them
LONGEST = 100  # jobs that a look for those that took longest returns


class SearchResult(NamedTuple):
    """``older``, ``newer``: where the pages beside this one begin (a key, exclusive), if there are any."""

    jobs: list[Job]
    older: int | None
    newer: int | None
    complete: bool  # all that could match has been looked at, in this direction
    back_to: datetime | None  # or else: so far back

    def news_since(self, read_at: datetime, since: datetime | None = None) -> str:
        """A job that matches, was made since then and is not among these has come after they were read, at ``read_at``.

        Its row may be younger than the job: made in a transaction, or in a watched application. ``since``: what the
        search itself asks for. Empty: any job is news.
        """
        return instant(since if self.back_to is None else max(self.back_to, read_at - LATE)) or ""


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
    rows: list[Job] = []
    edge: int | None = None
    for span, edge in _spans(led, order) if rest else [(led, None)]:  # noqa: B007
        rows += _shown(_narrow(rest, span)).order_by(order)[: limit + 1 - len(rows)]
        if len(rows) > limit:
            break
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


def longest(query: Query, jobs: QuerySet[Job], *, older: int | None = None) -> SearchResult:
    """Of the jobs that match, those that took longest, among what one look comes to; ``older`` goes on from there."""
    led, rest = _lead(query, _in_time(query, jobs))
    if older is not None:
        led = led.filter(pk__lt=older)
    found: list[Job] = []
    edge: int | None = None
    for span, edge in _spans(led, "-pk"):  # noqa: B007
        rows = _shown(_narrow([*rest, conditions.STARTED], span)).annotate(ran_s=conditions.ran_s())
        found = sorted([*found, *rows.order_by("-ran_s")[:LONGEST]], key=lambda job: -(job.ran_s or 0))[:LONGEST]
    return SearchResult(found, edge, None, edge is None, edge and created(edge))


def _spans(led: QuerySet[Job], order: str) -> Iterator[tuple[QuerySet[Job], int | None]]:
    """The rows piece by piece, each with the key where it ends (None: with the last row), for LOOK_S seconds.

    A piece is as long as the time that is left allows, by what those before it took.
    """
    began, step, back = time.monotonic(), STEP, order == "-pk"
    while True:
        edge = _edge(led, order, step)
        beyond = "lt" if back else "gt"
        yield (led if edge is None else led.filter(**{f"pk__{'gte' if back else 'lte'}": edge})), edge
        took = time.monotonic() - began
        if edge is None or took >= LOOK_S:
            return
        led = led.filter(**{f"pk__{beyond}": edge})
        step = max(STEP, int(step * min(GROWS, 0.8 * (LOOK_S - took) / max(took, 0.001))))


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


def by_bulk(uid: UUID) -> str:
    """The reason that a bulk action gives for a cancel: what it cancelled is found again by it."""
    return f"bulk action {uid}"


def _lead(query: Query, jobs: QuerySet[Job]) -> tuple[QuerySet[Job], list[Q]]:
    """The jobs narrowed by what an index can lead to, and the conditions that are left to be tried row by row."""
    rest = list(conditions.of(query))
    states = query.states
    if query.bulk and states is not None:
        rest.append(("state", conditions.in_states(sorted(states))))
        rest.append(("bulk", Q(cancel_reason=by_bulk(query.bulk))))
    if query.batch:
        jobs = jobs.filter(pk__in=BulkPart.objects.filter(bulk=query.batch).values("job"))
    if query.failure is not None:
        rest.append(("failure", Q(error_key__in=query.failure.split(","))))  # groups that were merged have several
    if query.succeeded:
        rest.append(("succeeded", conditions.in_states([State.SUCCEEDED]) & Q(finished_at__gte=query.succeeded)))
    for state in (State.FAILED, State.CANCELLED):
        if since := getattr(query, state):  # by the rows that no retry takes away
            jobs = jobs.filter(pk__in=Ending.objects.filter(state=state, at__gte=since).values("job"))
    taken = ""
    if query.id or query.parent or query.schedule:  # a few rows
        jobs = jobs.filter(uid__range=query.id) if query.id else jobs
        jobs = jobs.filter(parent=query.parent) if query.parent else jobs
        jobs = jobs.filter(schedule=query.schedule) if query.schedule else jobs
    elif states is not None and len(states) == 1 and states <= {*ORDERED}:
        taken = "state"
        jobs = jobs.filter(conditions.in_states(ORDERED), conditions.in_states(states))  # SQLite: the index's words
    elif states is not None and states <= Job.LIVE and (keys := _few(states)) is not None:
        jobs = jobs.filter(pk__in=keys)
    elif owner := next((names for names in query.owner if len(names) == 1), None):
        jobs = jobs.filter(owner_id__in=conditions.user_ids(owner))
        taken = "owner" if len(query.owner) == 1 else ""
    elif kind := next((names for names in query.kind if len(names) == 1), None):
        jobs = jobs.filter(kind__in=conditions.known_as(kind))
        taken = "kind" if len(query.kind) == 1 else ""
    elif query.app in ((), (frozenset({OWN}),)):
        taken = "app"
        jobs = jobs.filter(conditions.in_app(query))
    elif len(query.app) == 1 and len(query.app[0]) == 1 and EVERY_APP not in query.app[0]:
        taken = "app"
        jobs = jobs.exclude(app=RawSQL("''", ())).filter(app=next(iter(query.app[0])))  # the words of its index
    return jobs, [condition for name, condition in rest if name != taken]


def _few(states: frozenset[str]) -> list[int] | None:
    """The keys of all rows in these live states; None when they are many: then the newest rows are full of them."""
    keys: list[int] = []
    for state in states:
        later = State.SCHEDULED, State.RETRYING  # one index for both, which wants both to be named, and so
        both = board.state(*(later if state in later else (state,)), apps=True)
        rows = both.filter(conditions.in_states([state])) if state in later else both
        keys += rows.order_by().values_list("pk", flat=True)[: FEW + 1 - len(keys)]
        if len(keys) > FEW:
            return None
    return keys


def _narrow(rest: Iterable[Q], jobs: QuerySet[Job]) -> QuerySet[Job]:
    for condition in rest:
        jobs = jobs.filter(condition)
    return jobs


def _edge(jobs: QuerySet[Job], order: str, budget: int) -> int | None:
    """The key of the last row that the budget allows, from an index alone; None when there are no more rows."""
    return jobs.order_by(order).values_list("pk", flat=True)[budget - 1 : budget].first()


def _shown(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.select_related("owner").defer(*board.UNSHOWN)


def key_of(uid: UUID) -> int:
    """Where a job of that public id lies in the order of keys.

    For a job that was deleted, the id tells when it was made. The key is then the last of the same millisecond, or of
    the last one before, so that nothing older is passed over.
    """
    if key := Job.every.filter(uid=uid).values_list("pk", flat=True).first():
        return key
    last = Job.objects.filter(uid__lte=_millisecond(uid)[1]).order_by("-uid").values_list("uid", flat=True).first()
    return 0 if last is None else Job.objects.filter(uid__range=_millisecond(last)).aggregate(key=Max("pk"))["key"] + 1


def _millisecond(uid: UUID) -> tuple[UUID, UUID]:
    """The first and the last id of the millisecond that an id is of: the order within is chance."""
    chance = (1 << 80) - 1
    return UUID(int=uid.int & ~chance), UUID(int=uid.int | chance)


def created(key: int) -> datetime | None:
    return Job.every.filter(pk=key).values_list("created_at", flat=True).first()


def _in_time(query: Query, jobs: QuerySet[Job]) -> QuerySet[Job]:
    """By the exact time of creation, and by the keys near that time, since no index has the time."""
    if query.since:
        jobs = jobs.filter(created_at__gte=query.since, pk__gte=_key_at(_moved(query.since, -DISORDER)))
    if query.until:
        jobs = jobs.filter(created_at__lt=query.until, pk__lt=_key_at(_moved(query.until, DISORDER)))
    if query.ended and query.ended[1]:  # what has ended was made before
        jobs = jobs.filter(pk__lt=_key_at(_moved(query.ended[1], DISORDER)))
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

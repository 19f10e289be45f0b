"""Counts of what ended in watched applications, for their charts: added with the very rows, in their transaction.

So a chart needs no rows: at thousands of tasks a second these are deleted within minutes. One thread writes the rows
of an application, so nothing is added twice.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any, NamedTuple

from django.db.models import QuerySet, Sum
from django.utils import timezone

from tasks.engine.models import Job
from tasks.observe.models import App, EndedBar
from tasks.queries.stats import EDGES, MINUTE, OUTCOMES, PERIODS, bucket, floor

WIDTHS = [width // MINUTE for _, width in PERIODS.values()]  # minutes: one level for each chart
NAMES = ("minutes", "at", "kind", "outcome")
Name = tuple[int, datetime, str, str]


class Ended(NamedTuple):
    """One attempt that ended. ``waiting`` and ``running``: buckets of EDGES; None for what never started."""

    kind: str
    outcome: str
    at: datetime
    waiting: int | None
    running: int | None
    attempt: int


class Bars:
    """The counts of watched applications together, as ``tasks.queries.series`` reads them."""

    def __init__(self, apps: Iterable[App]) -> None:
        self.apps = apps

    def levels(self, width: timedelta) -> list[tuple[timedelta, QuerySet[EndedBar], datetime]]:
        """Every level is complete at any moment, so the one that fits is enough."""
        rows = EndedBar.objects.filter(app__in=self.apps, minutes=width // MINUTE)
        return [(width, rows, timezone.now() + width)]

    def ended_rows(self, since: datetime, until: datetime | None = None) -> Sequence[Any]:
        return ()


def last_hour(apps: QuerySet[App]) -> Counter[str]:
    """Outcome → how many tasks of these applications ended so, in the time that ``stats.recent`` counts."""
    since = floor(timezone.now(), MINUTE) - 60 * MINUTE
    rows = EndedBar.objects.filter(app__in=apps, minutes=1, at__gte=since).order_by().values_list("outcome")
    return Counter(dict(rows.annotate(sum=Sum("n"))))


def ended(job: Job) -> Ended | None:
    """As what a row stands in the charts; None while it has not ended, or when nobody knows how."""
    if job.state not in OUTCOMES:
        return None
    return Ended(job.kind, str(job.state), job.finished_at, *_times(job), job.attempt)


def _times(job: Job) -> tuple[int | None, int | None]:
    """The buckets of how long it waited and how long it ran; None for what never started."""
    if job.started_at is None:
        return None, None
    waited = (job.started_at - (job.queued_at or job.created_at)).total_seconds()
    return bucket(waited), bucket((job.finished_at - job.started_at).total_seconds())


def add(app: str, new: Iterable[Ended], old: Iterable[Ended] = ()) -> None:
    """Count what has just ended, and take ``old`` out again: attempts that have ended otherwise than was counted.

    Call it in the transaction that writes the rows.
    """
    alike: Counter[tuple[Any, ...]] = Counter()  # of one minute most are
    for times, each in chain(zip(repeat(1), new), zip(repeat(-1), old)):
        minute = each.at.replace(second=0, microsecond=0)
        alike[minute, each.kind, each.outcome, each.waiting, each.running] += times
    found: dict[Name, EndedBar] = {}
    for (minute, kind, outcome, waiting, running), times in alike.items():
        for minutes in WIDTHS:
            name = minutes, floor(minute, minutes * MINUTE), kind, outcome
            bar = found.get(name)
            if bar is None:
                bar = found[name] = EndedBar(**dict(zip(NAMES, name, strict=True)), **_empty())
            bar.n += times
            for histogram, place in ((bar.waiting, waiting), (bar.running, running)):
                if place is not None:
                    histogram[place] += times
    if found and (pk := App.objects.filter(name=app).values_list("pk", flat=True).first()):
        _write(pk, found)


def _write(app: int, found: dict[Name, EndedBar]) -> None:
    known = EndedBar.objects.select_for_update().filter(
        app=app, minutes__in=WIDTHS, at__in={at for _, at, _, _ in found}, kind__in={kind for _, _, kind, _ in found}
    )
    for row in known:
        if (bar := found.get(tuple(getattr(row, name) for name in NAMES))) is not None:
            bar.n += row.n
            for of in ("waiting", "running"):
                before = getattr(row, of)
                if isinstance(before, list) and len(before) == len(EDGES) + 1:
                    setattr(bar, of, [a + b for a, b in zip(getattr(bar, of), before, strict=True)])
    for bar in found.values():
        bar.app_id = app
        bar.n = max(0, bar.n)  # the bar of what is taken out may be pruned
        bar.waiting, bar.running = ([max(0, n) for n in histogram] for histogram in (bar.waiting, bar.running))
    EndedBar.objects.bulk_create(
        found.values(), 500, update_conflicts=True, unique_fields=["app", *NAMES],
        update_fields=["n", "waiting", "running"],
    )  # fmt: skip


def _empty() -> dict[str, Any]:
    return {"n": 0, "waiting": [0] * (len(EDGES) + 1), "running": [0] * (len(EDGES) + 1)}

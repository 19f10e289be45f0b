"""Counts of what ended in watched applications, for their charts: added with the very rows, in their transaction.

So a chart needs no rows: at thousands of tasks a second these are deleted within minutes. One thread writes the rows
of an application, so nothing is added twice.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from tasks.engine.models import Job
from tasks.observe.models import App, EndedBar
from tasks.queries.stats import EDGES, MINUTE, OUTCOMES, PERIODS, bucket, floor

WIDTHS = [width // MINUTE for _, width in PERIODS.values()]  # minutes: one level for each chart
Name = tuple[str, int, datetime, str, str]  # app, minutes, at, kind, outcome


class Ended:
    """The counts of one application, as ``tasks.queries.series`` reads them."""

    def __init__(self, app: App) -> None:
        self.app = app

    def levels(self, width: timedelta) -> list[tuple[timedelta, QuerySet[EndedBar], datetime]]:
        """Every level is complete at any moment, so the one that fits is enough."""
        rows = EndedBar.objects.filter(app=self.app, minutes=width // MINUTE)
        return [(width, rows, timezone.now() + width)]

    def ended_rows(self, since: datetime, until: datetime | None = None) -> Sequence[Any]:
        return ()


def last_hour() -> Counter[str]:
    """Outcome → how many tasks of watched applications ended so, in the time that ``stats.recent`` counts."""
    since = floor(timezone.now(), MINUTE) - 60 * MINUTE
    rows = EndedBar.objects.filter(app__watched=True, minutes=1, at__gte=since).order_by().values_list("outcome")
    return Counter(dict(rows.annotate(sum=Sum("n"))))


def add(jobs: Iterable[Job]) -> None:
    """Count rows that have just come to an end. Call it in the transaction that writes them."""
    found: dict[Name, EndedBar] = {}
    for job in jobs:
        if job.state not in OUTCOMES:
            continue
        times = _times(job)
        for minutes in WIDTHS:
            at = floor(job.finished_at, minutes * MINUTE)
            name = job.app, minutes, at, job.kind, str(job.state)
            bar = found.get(name)
            if bar is None:
                bar = found[name] = EndedBar(minutes=minutes, at=at, kind=job.kind, outcome=str(job.state), **_empty())
            bar.n += 1
            for histogram, place in zip((bar.waiting, bar.running), times, strict=True):
                if place is not None:
                    histogram[place] += 1
    if found:
        _write(found)


def _times(job: Job) -> tuple[int | None, int | None]:
    """The buckets of how long it waited and how long it ran; None for what never started."""
    if job.started_at is None:
        return None, None
    waited = (job.started_at - (job.queued_at or job.created_at)).total_seconds()
    return bucket(waited), bucket((job.finished_at - job.started_at).total_seconds())


def _write(found: dict[Name, EndedBar]) -> None:
    apps = {app.name: app for app in App.objects.filter(name__in={name[0] for name in found})}
    wanted = {name: bar for name, bar in found.items() if name[0] in apps}
    if not wanted:
        return
    known = EndedBar.objects.select_for_update().filter(
        app__in=apps.values(), minutes__in=WIDTHS, at__in={bar.at for bar in wanted.values()},
        kind__in={bar.kind for bar in wanted.values()},
    )  # fmt: skip
    names = {app.pk: app.name for app in apps.values()}
    for row in known:
        if (bar := wanted.get((names[row.app_id], row.minutes, row.at, row.kind, row.outcome))) is not None:
            bar.n += row.n
            for of in ("waiting", "running"):
                before = getattr(row, of)
                if isinstance(before, list) and len(before) == len(EDGES) + 1:
                    setattr(bar, of, [a + b for a, b in zip(getattr(bar, of), before, strict=True)])
    for name, bar in wanted.items():
        bar.app = apps[name[0]]
    EndedBar.objects.bulk_create(
        wanted.values(), 500, update_conflicts=True, unique_fields=["app", "minutes", "at", "kind", "outcome"],
        update_fields=["n", "waiting", "running"],
    )  # fmt: skip


def _empty() -> dict[str, Any]:
    return {"n": 0, "waiting": [0] * (len(EDGES) + 1), "running": [0] * (len(EDGES) + 1)}

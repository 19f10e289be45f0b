"""What one kind or queue did over a period: what ended in each bar, and how long jobs waited and ran.

Read from the rows that ``roll_up`` counts, and from jobs only where nothing is counted yet, as ``stats`` does: so a
long history costs as much as a short one. Counts of endings agree with ``stats.chart``.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db.models import Count, Value
from django.db.models.functions import Concat
from django.utils import timezone

from tasks.engine.models import instant
from tasks.queries import stats
from tasks.queries.stats import EDGES, MINUTE, OUTCOMES, PERIODS, Times, floor


@dataclass
class Bucket:
    """One bar: outcome → how many ended so; and the histograms over EDGES of what ended in it."""

    ended: Counter[str] = field(default_factory=Counter)
    times: Times = field(default_factory=lambda: Times(Counter(), Counter()))


@dataclass
class Series:
    """``buckets``: the beginning of each bar, oldest first. ``width``: of each."""

    width: timedelta
    buckets: dict[datetime, Bucket]

    @property
    def ended(self) -> Counter[str]:
        return sum((bucket.ended for bucket in self.buckets.values()), Counter())

    @property
    def times(self) -> Times:
        found = Times(Counter(), Counter())
        for bucket in self.buckets.values():
            found.waiting.update(bucket.times.waiting)
            found.running.update(bucket.times.running)
        return found


class Source(Protocol):
    """Where counts, and rows that are not counted yet, are read from. For our own jobs it is ``stats``."""

    def levels(self, width: timedelta) -> Sequence[tuple[timedelta, Any, datetime]]: ...
    def ended_rows(self, since: datetime, until: datetime | None = None) -> Sequence[Any]: ...


OWN: tuple[Source, ...] = (stats,)  # a module with these two functions


def of(
    period: str, *, kind: str = "", queue: str = "", back: timedelta = timedelta(), sources: Sequence[Source] = OWN
) -> Series:
    """What ended in a period of PERIODS that ends now, or ended so long ago; of one kind, one queue, or of all.

    ``sources``: of our own jobs, of watched applications, or of both, which are added up.
    """
    length, width = PERIODS[period]
    first = floor(timezone.now() - back, width) - length + width
    series = Series(width, {first + i * width: Bucket() for i in range(length // width)})
    only = {name: value for name, value in (("kind", kind), ("queue", queue)) if value}
    for source in sources:
        begin, end = first, first + length
        for _, rows, counted in source.levels(width if not queue else MINUTE):
            if (upto := min(counted, end)) > begin:
                _add_counted(series, rows.filter(at__gte=begin, at__lt=upto, **only))
                begin = upto
        if not back:
            _add_rows(series, source, max(begin, floor(timezone.now(), MINUTE) - stats.TAIL), only)
    return series


def totals(period: str, back: timedelta = timedelta(), sources: Sequence[Source] = OWN) -> dict[str, Bucket]:
    """Kind → what ended of it in a period, as one bar."""
    length, width = PERIODS[period]
    first = floor(timezone.now() - back, width) - length + width
    found: dict[str, Bucket] = {}
    for source in sources:
        _add_totals(found, source, first, length, width, is_past=bool(back))
    return found


def _add_totals(
    found: dict[str, Bucket], source: Source, first: datetime, length: timedelta, width: timedelta, is_past: bool
) -> None:
    begin = first
    for _, rows, counted in source.levels(width):
        if (upto := min(counted, first + length)) > begin:
            for kind, *row in rows.filter(at__gte=begin, at__lt=upto).values_list(
                "kind", "outcome", "n", "waiting", "running"
            ):
                _count(found.setdefault(kind, Bucket()), *row)
            begin = upto
    tail = max(begin, floor(timezone.now(), MINUTE) - stats.TAIL)
    for rows in source.ended_rows(tail) if not is_past else ():
        for kind, outcome, n in rows.order_by().values_list("kind", "outcome").annotate(n=Count("id")):
            found.setdefault(kind, Bucket()).ended[outcome] += n
        for kind, *moments in (
            rows.filter(started_at__isnull=False)
            .order_by("-at")
            .values_list("kind", "ready", "started_at", "at")[: stats.SAMPLE]
        ):
            _time(found.setdefault(kind, Bucket()), *moments)


def to_dict(series: Series, before: Counter[str]) -> dict[str, Any]:
    """As the API has it: totals, rate, quantiles, bars with theirs, and the totals of the period before."""
    return {
        "totals": outcomes(series.ended),
        "failure_rate": failure_rate(series.ended),
        **stats.quantiles(series.times),
        "buckets": [
            {"at": instant(at), **{name: bucket.ended[name] for name in OUTCOMES}, **stats.quantiles(bucket.times)}
            for at, bucket in series.buckets.items()
        ],
        "histogram": histogram(series.times),
        "previous": outcomes(before),
    }


def outcomes(ended: Counter[str]) -> dict[str, int]:
    return {
        "succeeded": ended["succeeded"],
        "failed_attempts": ended["failed"],
        "cancelled": ended["cancelled"],
    }


def failure_rate(ended: Counter[str]) -> float | None:
    """Of what succeeded or failed, the part that failed; None when nothing did either."""
    decided = ended["succeeded"] + ended["failed"]
    return round(ended["failed"] / decided, 4) if decided else None


def histogram(times: Times) -> list[dict[str, Any]]:
    """``up_to_s`` (None: longer), ``waiting``, ``running``: how many jobs waited and ran so long."""
    return [
        {"up_to_s": edge, "waiting": times.waiting[i], "running": times.running[i]}
        for i, edge in enumerate((*EDGES, None))
    ]


def _add_counted(series: Series, rows: Any) -> None:
    for at, *row in rows.order_by().values_list("at", "outcome", "n", "waiting", "running"):
        if bucket := series.buckets.get(floor(at, series.width)):
            _count(bucket, *row)


def _count(bucket: Bucket, outcome: str, n: int, waiting: Any, running: Any) -> None:
    bucket.ended[outcome] += n
    for total, counts in zip(bucket.times, (waiting, running), strict=True):
        if isinstance(counts, list) and len(counts) == len(EDGES) + 1:
            total.update({i: each for i, each in enumerate(counts) if each})


def _time(bucket: Bucket, ready: datetime, started: datetime, ended: datetime) -> None:
    bucket.times.waiting[stats.bucket((started - ready).total_seconds())] += 1
    bucket.times.running[stats.bucket((ended - started).total_seconds())] += 1


def _add_rows(series: Series, source: Source, since: datetime, only: dict[str, str]) -> None:
    """Counts from all rows that are not counted yet, times from the newest of them."""
    for rows in _narrowed(source, since, only):
        counted = rows.order_by().annotate(minute=stats.MinuteOf("at")).values_list("minute", "outcome")
        for minute, outcome, n in counted.annotate(n=Count("id")):
            at = stats.read_minute(minute)
            if at and (bucket := series.buckets.get(floor(at, series.width))):
                bucket.ended[outcome] += n
        timed = rows.filter(started_at__isnull=False).order_by("-at").values_list("ready", "started_at", "at")
        for moments in timed[: stats.SAMPLE]:
            if bucket := series.buckets.get(floor(moments[-1], series.width)):
                _time(bucket, *moments)


def _narrowed(source: Source, since: datetime, only: dict[str, str]) -> Iterator[Any]:
    """The name stands in an expression, or else a planner would read the whole history of a kind."""
    for rows in source.ended_rows(since):
        for name, value in only.items():
            rows = rows.alias(**{f"_{name}": Concat(name, Value(""))}).filter(**{f"_{name}": value})
        yield rows

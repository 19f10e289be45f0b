"""Counts of finished jobs: the last hour, the bars of a chart, waiting and running times of each kind or queue.

Read-only and bounded, however many jobs there are. Bars and minutes that are over come from rows that ``roll_up`` made.
Later times are counted from job rows. The border between the two is read first, so no moment is counted twice.
"""

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import CharField, Count, F, FloatField, Func, Max, QuerySet, Sum
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from tasks.engine.models import Bar, Ending, Job, Minute, State, instant

MINUTE = timedelta(minutes=1)
PERIODS = {  # name → length, width of a bar
    "1h": (timedelta(hours=1), MINUTE),
    "24h": (timedelta(hours=24), timedelta(minutes=15)),
    "30d": (timedelta(days=30), timedelta(hours=12)),
}
WIDTHS = [720, 15]  # minutes: of the bars that are kept counted, the widest first
OUTCOMES = ("succeeded", "failed", "cancelled")
# Upper edges in seconds of the buckets that Minute.waiting and Minute.running count in; the last bucket is open.
EDGES = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)
SETTLED = 2 * MINUTE  # a minute's count is kept only when all of its commits must be visible
REMEMBERED_S = 300.0  # a retried failure changes an old minute
SAMPLE = 5_000  # newest jobs from which times are computed where roll_up has not counted yet
TAIL = timedelta(hours=1)  # the longest time not counted by roll_up that is counted from the jobs' rows


class Recent(NamedTuple):
    """``last_hour``: outcome → how many ended so.

    ``started``: queue → jobs that started in the last minute and have finished.
    """

    last_hour: dict[str, int]
    started: Counter[str]


class Times(NamedTuple):
    """Histograms over EDGES of how long jobs waited for the attempt that was their last, and how long that ran."""

    waiting: Counter[int]
    running: Counter[int]


class StatsPart(NamedTuple):
    """What some rows of counts say together: outcomes by bar, and waiting and running times by kind or queue."""

    bars: dict[datetime, Counter[str]]
    times: dict[str, tuple[list[int], list[int]]]


class Counts(NamedTuple):
    """``missing``: a period that ``roll_up`` has not counted and that has too many jobs to count now."""

    bars: dict[datetime, Counter[str]]
    times: dict[str, Times]
    missing: tuple[datetime, datetime] | None

    def times_of(self, name: str) -> Times:
        return self.times.setdefault(name, Times(Counter(), Counter()))

    def to_dict(self) -> dict[str, Any]:
        """``buckets``: ``at, succeeded, failed, cancelled``, oldest first, also where nothing ended.

        ``kinds``: ``kind, wait_p50_s, wait_p95_s, run_p50_s, run_p95_s``, by name.
        """
        bars = self.bars.items()
        return {
            "buckets": [{"at": instant(at)} | {name: bar[name] for name in OUTCOMES} for at, bar in bars],
            "kinds": [{"kind": kind} | quantiles(times) for kind, times in sorted(self.times.items())],
        }


_known: dict[datetime, tuple[Counter[str], float]] = {}
_parts: dict[tuple[Any, ...], tuple[tuple[Any, ...], StatsPart]] = {}
_lock = threading.Lock()


def recent() -> Recent:
    """The last sixty whole minutes and the one that runs."""
    now = timezone.now()
    this = floor(now, MINUTE)
    since = now - MINUTE
    total: Counter[str] = Counter()
    for minute in _whole_minutes(this - 60 * MINUTE, this - MINUTE).values():
        total += minute
    for minute in _finished(this - MINUTE).values():
        total += minute
    began = Job.objects.filter(finished_at__gte=since, started_at__gt=now - MINUTE).order_by().values_list("queue")
    started = Counter(dict(began.annotate(n=Count("id"))))
    return Recent({outcome: total[outcome] for outcome in OUTCOMES}, started)


def chart(period: str) -> dict[str, Any]:
    """As ``Counts.to_dict``, and ``missing``: two instants between which nobody counted, or None."""
    counts = count(period)
    return {**counts.to_dict(), "missing": counts.missing and [instant(end) for end in counts.missing]}


def queues() -> dict[str, dict[str, float | None]]:
    """Queue → ``wait_p50_s, wait_p95_s, run_p50_s, run_p95_s`` of what ended in the last hour."""
    return {queue: quantiles(times) for queue, times in sorted(count("1h", "queue").times.items())}


def count(period: str, by: str = "kind") -> Counts:
    """The bars of a period, and times by kind (or, of the last hour, by queue)."""
    length, width = PERIODS[period]
    now = timezone.now()
    first = floor(now, width) - length + width
    counts = Counts({first + i * width: Counter() for i in range(length // width)}, {}, None)
    begin = first
    for level, rows, end in levels(width):  # the ends were read before: what is counted meanwhile is left to its rows
        if end > begin:
            _add(counts, _part(level, rows, begin, end, width, by))
            begin = end
    tail = max(begin, floor(now, MINUTE) - TAIL)
    _count_rows(counts, tail, width, by)
    if any(rows.exists() for rows in ended_rows(begin, tail)):
        counts = counts._replace(missing=(begin, tail))
    return counts


def quantiles(times: Times) -> dict[str, float | None]:
    return {f"wait_p{p}_s": quantile(times.waiting, p / 100) for p in (50, 95)} | {
        f"run_p{p}_s": quantile(times.running, p / 100) for p in (50, 95)
    }


def bucket(seconds: float) -> int:
    """The bucket of EDGES that a duration falls into."""
    return bisect_left(EDGES, seconds)


def quantile(histogram: Counter[int], q: float) -> float | None:
    """About the q-th quantile in seconds: linear within its bucket. None without jobs."""
    wanted = q * histogram.total()
    for i in sorted(histogram):
        if histogram[i] and wanted <= histogram[i]:
            low, high = (EDGES[i - 1] if i else 0.0), EDGES[min(i, len(EDGES) - 1)]
            return round(low + (high - low) * wanted / histogram[i], 3)
        wanted -= histogram[i]
    return None


def floor(moment: datetime, width: timedelta) -> datetime:
    """The beginning of the bar that a moment is in, in UTC."""
    seconds = width.total_seconds()
    whole = moment.replace(microsecond=0)  # a float would round the last moment of year 9999 up
    return datetime.fromtimestamp(whole.timestamp() // seconds * seconds, moment.tzinfo)


def forget() -> None:
    """Clear the cache. For tests, whose jobs vanish when they end."""
    with _lock:
        _known.clear()
        _parts.clear()


# --- counted ---------------------------------------------------------------------------------------------------


def levels(width: timedelta) -> list[tuple[timedelta, QuerySet[Any], datetime]]:
    """Rows that count whole bars and minutes, the widest that fit first: how wide, which, and up to which moment."""
    found, now = [], timezone.now()
    for wide in WIDTHS:
        if wide * MINUTE <= width:
            bars = Bar.objects.filter(minutes=wide, at__lte=now)
            found.append((bars, wide * MINUTE, bars.aggregate(at=Max("at"))["at"]))
    minutes = Minute.objects.filter(at__lte=now)  # what is still to come was counted by nobody
    found.append((minutes, MINUTE, minutes.aggregate(at=Max("at"))["at"]))
    return [(each, rows, at + each) for rows, each, at in found if at]


def _part(
    level: timedelta, rows: QuerySet[Any], begin: datetime, end: datetime, width: timedelta, by: str
) -> StatsPart:
    """What rows of counts say of the time between. What is as it was when this process read it is not read again."""
    rows = rows.filter(at__gte=begin, at__lt=end).order_by()
    name = level, width, by
    number = Cast("n", FloatField())  # whole ones would overflow: some 50,000 jobs of a kind in a bar are enough
    mark = begin, end, *rows.aggregate(Count("id"), Max("id"), Sum("n"), squares=Sum(number * number)).values()
    if (kept := _parts.get(name)) and kept[0] == mark:
        return kept[1]
    part = StatsPart({}, {})
    read: dict[str, tuple[list[list[int]], list[list[int]]]] = {}
    for at, key, outcome, n, waiting, running in rows.values_list("at", by, "outcome", "n", "waiting", "running"):
        part.bars.setdefault(floor(at, width), Counter())[outcome] += n
        for histograms, histogram in zip(read.setdefault(key, ([], [])), (waiting, running), strict=True):
            if isinstance(histogram, list) and len(histogram) == len(EDGES) + 1:
                histograms.append(histogram)
    for key, both in read.items():
        part.times[key] = tuple([sum(column) for column in zip(*each, strict=True)] for each in both)
    _parts[name] = mark, part
    return part


def _add(counts: Counts, part: StatsPart) -> None:
    for bar, ended in part.bars.items():
        counts.bars[bar].update(ended)
    for key, both in part.times.items():
        for histogram, more in zip(counts.times_of(key), both, strict=True):
            histogram.update(dict(enumerate(more)))


def _count_rows(counts: Counts, since: datetime, width: timedelta, by: str) -> None:
    """What finished since then: counts from all rows, times from the newest."""
    for minute, ended in _finished(since).items():
        if (bar := floor(minute, width)) in counts.bars:  # not of a bar that began since
            counts.bars[bar].update(ended)
    newest: list[tuple[Any, ...]] = []
    for rows in ended_rows(since):
        times = rows.filter(started_at__isnull=False).values_list(by, "ready", "started_at", "at")
        newest += times.order_by("-at")[:SAMPLE]
    for name, ready, started, finished in newest:
        waiting, running = counts.times_of(name)
        waiting[bucket((started - ready).total_seconds())] += 1
        running[bucket((finished - started).total_seconds())] += 1


# --- minutes ---------------------------------------------------------------------------------------------------


def _whole_minutes(first: datetime, end: datetime) -> dict[datetime, Counter[str]]:
    """What ended in each of the minutes from first up to end, each asked for once in a while only."""
    clock = time.monotonic()
    with _lock:
        for minute in [minute for minute, (_, at) in _known.items() if clock - at > REMEMBERED_S]:
            del _known[minute]
        known = dict(_known)
    minutes = [first + i * MINUTE for i in range((end - first) // MINUTE)]
    asked = [minute for minute in minutes if minute not in known]
    if asked:
        rolled, rows = _rolled(asked), {}
        if unrolled := [minute for minute in asked if minute not in rolled]:
            rows = _finished(unrolled[0], unrolled[-1] + MINUTE)
        known |= {minute: (rolled.get(minute) or rows.get(minute, Counter()), clock) for minute in asked}
    settled = floor(timezone.now() - SETTLED, MINUTE)
    with _lock:
        _known.update({minute: known[minute] for minute in asked if minute < settled})
    return {minute: known[minute][0] for minute in minutes}


def _rolled(wanted: Sequence[datetime]) -> dict[datetime, Counter[str]]:
    """Those of the minutes that have been rolled up."""
    rows = Minute.objects.filter(at__gte=wanted[0], at__lte=wanted[-1]).order_by()
    found: dict[datetime, Counter[str]] = {}
    for at, outcome, n in rows.values_list("at", "outcome").annotate(Sum("n")):
        found.setdefault(at, Counter())[outcome] += n
    return found


class MinuteOf(Func):
    """The minute of a moment, as text in UTC. Django's own would call Python for each row on SQLite."""

    output_field = CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="SUBSTR(%(expressions)s, 1, 16)", **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "TO_CHAR(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"
        return self.as_sql(compiler, connection, template=template, **more)


def read_minute(text: str | None) -> datetime | None:
    """What MinuteOf said; None for what was no moment."""
    try:
        return datetime.fromisoformat(text or "").replace(tzinfo=UTC)
    except ValueError:
        return None


def _finished(since: datetime, until: datetime | None = None) -> dict[datetime, Counter[str]]:
    """Minute → outcome → how often jobs ended so, from rows."""
    found: dict[datetime, Counter[str]] = {}
    for rows in ended_rows(since, until):
        counted = rows.order_by().annotate(minute=MinuteOf("at")).values_list("minute", "outcome")
        for minute, outcome, n in counted.annotate(n=Count("id")):
            if at := read_minute(minute):
                found.setdefault(at, Counter())[outcome] += n
    return found


def ended_rows(since: datetime, until: datetime | None = None) -> list[QuerySet[Any]]:
    """Rows of all our jobs that ended since then: ``outcome, kind, queue, ready, started_at, at``.

    A success is the job's row, since nothing comes after it. That a job failed or was cancelled is a row of its own,
    which no retry takes away: what is counted once stays counted.
    """
    good = Job.objects.filter(finished_at__gte=since, state=State.SUCCEEDED).annotate(
        at=F("finished_at"), outcome=F("state"), ready=Coalesce("queued_at", "created_at")
    )
    bad = Ending.objects.filter(at__gte=since, job__app=RawSQL("''", ())).annotate(
        outcome=F("state"), ready=F("queued_at")
    )
    return [rows.filter(at__lt=until) if until else rows for rows in (good, bad)]

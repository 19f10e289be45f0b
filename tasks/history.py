"""What finished, counted by minute: the last hour, the bars of a chart, waiting and running times of each kind.

Read-only and bounded. Whole minutes come from ``Minute`` rows where somebody has rolled them up, else from rows of jobs
by their finishing time; what this process has counted once it remembers for a while.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Max, Q, Sum
from django.utils import timezone

from tasks.models import Job, Minute, instant

MINUTE = timedelta(minutes=1)
PERIODS = {  # name → length, width of a bar
    "1h": (timedelta(hours=1), MINUTE),
    "24h": (timedelta(hours=24), timedelta(minutes=15)),
    "30d": (timedelta(days=30), timedelta(hours=12)),
}
OUTCOMES = ("succeeded", "failed", "cancelled")
# Upper edges in seconds of the buckets that Minute.waiting and Minute.running count in; the last bucket is open.
EDGES = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)
SETTLED = 2 * MINUTE  # a minute is remembered only when the last of its commits must have been seen
REMEMBERED_S = 300.0  # a retried failure changes an old minute
SAMPLE = 5_000  # newest minutes of a kind, and newest jobs that nobody has rolled up yet, that times are made from
TAIL = timedelta(hours=1)  # how much that is not rolled up is counted from rows for a chart


class Recent(NamedTuple):
    """``last_hour``: outcome → jobs. ``started``: queue → jobs that started in the last minute and have finished."""

    last_hour: dict[str, int]
    started: Counter[str]


_known: dict[datetime, tuple[Counter[str], float]] = {}
_lock = threading.Lock()


def recent() -> Recent:
    """The last sixty whole minutes and the one that runs."""
    now = timezone.now()
    this = floor(now, MINUTE)
    since = min(this - MINUTE, now - MINUTE)
    total: Counter[str] = Counter()
    for minute in _whole_minutes(this - 60 * MINUTE, this - MINUTE):
        total += minute
    rows = (
        Job.objects.filter(finished_at__gte=since)
        .order_by()
        .values_list("queue", "state")
        .annotate(
            n=Count("id", filter=Q(finished_at__gte=this - MINUTE)),
            started=Count("id", filter=Q(started_at__gt=now - MINUTE)),
        )
    )
    started: Counter[str] = Counter()
    for queue, state, n, count in rows:
        total[state] += n
        started[queue] += count
    return Recent({outcome: total[outcome] for outcome in OUTCOMES}, started)


def buckets(length: timedelta, width: timedelta) -> list[dict[str, Any]]:
    """``at, succeeded, failed, cancelled`` for each bar, oldest first; bars in which nothing ended are there too."""
    last = floor(timezone.now(), width)
    first = last - length + width
    bars = {first + i * width: Counter() for i in range(length // width)}
    for at, bar in bars.items():
        rolled = Minute.objects.filter(at__gte=at, at__lt=at + width)
        bar.update(dict(rolled.order_by().values_list("outcome").annotate(Sum("n"))))
    for minute in _unrolled(first, last + width):
        for outcome, n in _finished(minute, minute + MINUTE).items():
            bars[floor(minute, width)][outcome] += n
    return [{"at": instant(at)} | {outcome: bar[outcome] for outcome in OUTCOMES} for at, bar in bars.items()]


def kinds(length: timedelta, width: timedelta) -> list[dict[str, Any]]:
    """``kind, wait_p50_s, wait_p95_s, run_p50_s, run_p95_s`` of what succeeded, failed or was cancelled, by kind."""
    since = floor(timezone.now(), width) - length + width
    times: dict[str, tuple[Counter[int], Counter[int]]] = {}
    rolled = Minute.objects.filter(at__gte=since).order_by("-at").values_list("kind", "waiting", "running")
    for kind, waiting, running in rolled[:SAMPLE]:
        for histogram, counts in zip(_of(times, kind), (waiting, running), strict=True):
            histogram.update(dict(enumerate(counts)))
    end = Minute.objects.aggregate(at=Max("at"))["at"]
    newest = Job.objects.filter(finished_at__gte=max(since, end + MINUTE) if end else since).order_by("-finished_at")
    rows = newest.values_list("kind", "created_at", "due_at", "started_at", "finished_at")
    for kind, created, due, started, finished in rows[:SAMPLE]:
        if started:
            waiting, running = _of(times, kind)
            waiting[bucket((started - max(created, due or created)).total_seconds())] += 1
            running[bucket((finished - started).total_seconds())] += 1
    return [
        {"kind": kind}
        | {f"wait_p{p}_s": quantile(waiting, p / 100) for p in (50, 95)}
        | {f"run_p{p}_s": quantile(running, p / 100) for p in (50, 95)}
        for kind, (waiting, running) in sorted(times.items())
    ]


def bucket(seconds: float) -> int:
    """The bucket of EDGES that a duration falls into."""
    return next((i for i, edge in enumerate(EDGES) if seconds <= edge), len(EDGES))


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
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, moment.tzinfo)


def _of(times: dict[str, tuple[Counter[int], Counter[int]]], kind: str) -> tuple[Counter[int], Counter[int]]:
    return times.setdefault(kind, (Counter(), Counter()))


def _whole_minutes(first: datetime, end: datetime) -> Iterable[Counter[str]]:
    """Counts of the minutes from first up to end, each asked for once in a while only."""
    clock = time.monotonic()
    with _lock:
        for minute in [minute for minute, (_, at) in _known.items() if minute < first or clock - at > REMEMBERED_S]:
            del _known[minute]
        known = dict(_known)
    minutes = [first + i * MINUTE for i in range((end - first) // MINUTE)]
    for minute in _rolled(minutes[0], [minute for minute in minutes if minute not in known]):
        known[minute[0]] = (minute[1], clock)
    for minute in minutes:
        if minute not in known:
            known[minute] = (_finished(minute, minute + MINUTE), clock)
    settled = floor(timezone.now() - SETTLED, MINUTE)
    with _lock:
        _known.update({minute: known[minute] for minute in minutes if minute < settled})
    return [known[minute][0] for minute in minutes]


def _rolled(since: datetime, wanted: Sequence[datetime]) -> Iterable[tuple[datetime, Counter[str]]]:
    """The minutes among those wanted that have been rolled up."""
    found: dict[datetime, Counter[str]] = {}
    if wanted:
        rows = Minute.objects.filter(at__gte=since).order_by().values_list("at", "outcome").annotate(Sum("n"))
        for at, outcome, n in rows:
            found.setdefault(at, Counter())[outcome] += n
    return [(minute, found[minute]) for minute in wanted if minute in found]


def _unrolled(first: datetime, end: datetime) -> list[datetime]:
    """The minutes after the last one that was rolled up, no more than the last hour of them."""
    last = Minute.objects.aggregate(at=Max("at"))["at"]
    begin = max(first, last + MINUTE) if last else first
    begin = max(begin, floor(timezone.now(), MINUTE) - TAIL)
    return [begin + i * MINUTE for i in range(max(0, (min(end, timezone.now()) - begin) // MINUTE + 1))]


def _finished(since: datetime, until: datetime) -> Counter[str]:
    rows = Job.objects.filter(finished_at__gte=since, finished_at__lt=until).order_by()
    return Counter(dict(rows.values_list("state").annotate(n=Count("id"))))

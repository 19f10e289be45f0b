"""The chores that keep the tables small and the charts quick: prune and roll_up.

Both do their work in small steps, each a transaction of its own, so nobody waits for them, and a second run finds
little or nothing to do. What is kept for how long are settings.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, Max, Min, QuerySet, Value, When
from django.utils import timezone

from tasks.access import audit
from tasks.access.models import Entry
from tasks.base import job
from tasks.engine import chords, registry
from tasks.engine.models import Bar, Chord, Job, LogLine, Minute, State, Worker, instant
from tasks.engine.report import Report
from tasks.engine.words import number_of
from tasks.queries.stats import EDGES, MINUTE, SETTLED, WIDTHS, MinuteOf, ended_rows, floor, read_minute
from tasks.search.conditions import Seconds
from tasks.web import features

JOBS, LINES, ROWS = 20, 200, 200  # deleted in one transaction
AT_ONCE = timedelta(minutes=15)  # counted by one query
REST = 4  # times as long as a transaction took is the pause after it, so that other writers of SQLite get their turn
MINUTES_KEPT = timedelta(days=35)  # the longest chart shows 30 days
WORKERS_KEPT = timedelta(days=7)  # since one that is gone was last seen


@job(queue="chores", quiet=True, serial_key="house", soft_time_limit=3500, time_limit=3600)
def prune(report: Report) -> dict[str, int]:
    """Delete what ended longer ago than it is kept: jobs by outcome, chores sooner, and old counts.

    The settings SIGNALBOX_KEEP_SUCCEEDED_D, SIGNALBOX_KEEP_FAILED_D, SIGNALBOX_KEEP_CANCELLED_D and
    SIGNALBOX_KEEP_QUIET_D say for how many days; SIGNALBOX_KEEP_AUDIT_D for how many an audit entry is kept.
    """
    now = timezone.now()
    gone = dict.fromkeys(("jobs", "lines"), 0)
    for old in expired_jobs(now):
        for jobs, lines in deleted(old):
            gone["jobs"] += jobs
            gone["lines"] += lines
            report.progress(
                gone["jobs"],
                None,
                f"{number_of(gone['jobs'], 'job')} and {number_of(gone['lines'], 'log line')} deleted",
            )
    counts = Minute.objects.filter(at__lt=now - MINUTES_KEPT), Bar.objects.filter(at__lt=now - MINUTES_KEPT)
    gone["minutes"] = sum(deleted_rows(old, lambda: report.progress(gone["jobs"])) for old in counts)
    for name, expired in features.expired().items():
        gone[name] = deleted_rows(expired(now), lambda: report.progress(gone["jobs"]))
    gone["workers"], _ = Worker.objects.filter(seen_at__lt=now - WORKERS_KEPT).delete()
    forget_chords(now - timedelta(days=settings.SIGNALBOX_KEEP_FAILED_D))
    before = now - timedelta(days=settings.SIGNALBOX_KEEP_AUDIT_D)
    gone["entries"] = forgotten(before, report.job_id or "", lambda: report.progress(gone["jobs"]))
    return gone


def forget_chords(before: datetime) -> int:
    """Delete chords for which no job can count any more, and whose results no job reads. Returns how many."""
    old = Chord.objects.filter(created_at__lt=before)
    if not old.exists():
        return 0
    waits = Job.objects.filter(then__isnull=False).exclude(state=State.SUCCEEDED).values_list("then", flat=True)
    needed = {uid for then in waits.iterator(chunk_size=200) for branch in then for uid in chords.named_in(branch)}
    gone = 0
    for chord in old.iterator(chunk_size=200):
        if str(chord.uid) not in needed and not Job.objects.filter(uid__in=chords.first_of(chord.body)).exists():
            gone += chord.delete()[0]
    return gone


@job(quiet=True, effects="none")
def collect_results(results: list[Any]) -> list[Any]:
    """Hand on the results of a group that was put in the place of a job."""
    return results


def expired_jobs(now: datetime) -> Iterator[QuerySet[Job]]:
    """The jobs whose time is over, in the order in which an index gives them."""
    kept = {
        State.SUCCEEDED: settings.SIGNALBOX_KEEP_SUCCEEDED_D,
        State.FAILED: settings.SIGNALBOX_KEEP_FAILED_D,
        State.CANCELLED: settings.SIGNALBOX_KEEP_CANCELLED_D,
    }
    for state, days in kept.items():
        yield Job.objects.filter(state=state, finished_at__lt=now - timedelta(days=days)).order_by("finished_at")
    before = now - timedelta(days=settings.SIGNALBOX_KEEP_QUIET_D)
    for kind in registry.kinds():
        if kind.quiet:
            chores = Job.objects.filter(kind=kind.name, state=State.SUCCEEDED, finished_at__lt=before)
            yield chores.order_by("id")


def deleted(old: QuerySet[Job]) -> Iterator[tuple[int, int]]:
    """Delete jobs with all that belongs to them, a few at a time; yields how many, and how many log lines.

    A job that somebody retries in this very moment no longer belongs to ``old``, and stays.
    """
    while ids := list(old.values_list("pk", flat=True)[:JOBS]):
        began = time.monotonic()
        lines = LogLine.objects.filter(job__in=old.filter(pk__in=ids).order_by())
        while line_ids := list(lines.values_list("pk", flat=True)[:LINES]):
            yield 0, LogLine.objects.filter(pk__in=line_ids).delete()[0]
            began = rested(began)
        with transaction.atomic():
            held = list(old.filter(pk__in=ids).select_for_update(skip_locked=True).values_list("pk", flat=True))
            done = Job.objects.filter(pk__in=held).delete()[1].get(Job._meta.label, 0)
        yield done, 0
        if not done:  # all of them are locked by others: the next run deletes them
            return
        rested(began)


def deleted_rows(old: QuerySet[Any], go_on: Callable[[], None]) -> int:
    count = 0
    while ids := list(old.values_list("pk", flat=True)[:ROWS]):
        began = time.monotonic()
        count += old.model._base_manager.filter(pk__in=ids).delete()[0]
        go_on()
        rested(began)
    return count


def forgotten(before: datetime, job_id: str, go_on: Callable[[], None]) -> int:
    """Delete the audit entries that are older than that; returns how many. One new entry says that this job did so."""
    count = 0
    while True:
        began = time.monotonic()
        with transaction.atomic():
            found = Entry.objects.forget(before, ROWS)
            if found and not count:
                audit.note(None, "prune", job_id, before=instant(before))
        count += found
        if found < ROWS:
            return count
        go_on()
        rested(began)


def rested(began: float) -> float:
    """Leave the database to others after work that ``began`` then; returns the time at which the next work begins."""
    time.sleep(REST * (time.monotonic() - began))
    return time.monotonic()


# --- counting --------------------------------------------------------------------------------------------------


@job(queue="chores", quiet=True, serial_key="house", soft_time_limit=3500, time_limit=3600)
def roll_up(
    report: Report, minutes: Annotated[int, range(1, 1441), "How many of the last minutes are counted again."] = 15
) -> dict[str, int]:
    """Count what finished, minute by minute, so that charts need not read jobs.

    The last minutes are counted again from the rows; what was missed since the last run is caught up.
    """
    end = floor(timezone.now() - SETTLED, MINUTE)
    window = end - minutes * MINUTE
    done = written = 0
    for begin, until in to_count(window, end):
        found, changed = count(begin, until)
        done, written = done + found, written + changed
        report.progress(done, None, f"{begin:%Y-%m-%d %H:%M}")
    for width in WIDTHS:
        for bar in to_sum(width * MINUTE, window, end):
            put(Bar.objects.filter(minutes=width, at=bar), summed(bar, width))
            report.progress(done, None, f"{bar:%Y-%m-%d %H:%M}, {width} minutes")
    return {"minutes": done, "written": written}


def to_count(window: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The window, a quarter of an hour at a time; before it, minutes that were missed and in which jobs ended."""
    last = Minute.objects.filter(at__lt=end).aggregate(at=Max("at"))["at"]
    at = min(last + MINUTE if last else window - MINUTES_KEPT, window)
    while at < window:
        missed = [rows.aggregate(first=Min("at"))["first"] for rows in ended_rows(at, window)]
        if not any(missed):
            break
        at = floor(min(filter(None, missed)), MINUTE)
        yield at, (at := min(at + AT_ONCE, window))
    at = window
    while at < end:
        yield at, (at := min(at + AT_ONCE, end))


def to_sum(width: timedelta, window: datetime, end: datetime) -> list[datetime]:
    """The bars that are over: those of the window, in which minutes may have changed, and those not summed up yet."""
    bars = Bar.objects.filter(minutes=width / MINUTE, at__lt=end)
    last = bars.aggregate(at=Max("at"))["at"]
    since = min(floor(window, width), last + width if last else window - MINUTES_KEPT)
    minutes = Minute.objects.filter(at__gte=since, at__lt=end).values_list("at", flat=True)
    known = bars.filter(at__gte=since).values_list("at", flat=True)
    return sorted(at for at in {*(floor(minute, width) for minute in minutes), *known} if at + width <= end)


def count(begin: datetime, end: datetime) -> tuple[int, int]:
    """Make the rows of these minutes what the jobs say; returns the minutes that have any, and rows changed."""
    wanted = counted(begin, end)
    return len({row.at for row in wanted}), put(Minute.objects.filter(at__gte=begin, at__lt=end), wanted)


def put(rows: QuerySet[Any], wanted: list[Any]) -> int:
    """Make these rows the wanted ones; returns how many had to be written or deleted."""
    kept = {key(row): row for row in wanted}
    known = {key(row): row for row in rows}
    gone = [row for name, row in known.items() if name not in kept]
    news = [row for name, row in kept.items() if name not in known or counts_of(known[name]) != counts_of(row)]
    if gone or news:
        unique = rows.model._meta.constraints[0].fields
        with transaction.atomic():
            rows.filter(pk__in=[row.pk for row in gone]).delete()
            rows.model._default_manager.bulk_create(
                news, 500, update_conflicts=True, unique_fields=unique, update_fields=["n", "waiting", "running"]
            )
    return len(news) + len(gone)


def key(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row._meta.constraints[0].fields)


def counts_of(row: Any) -> tuple[int, list[int], list[int]]:
    return row.n, row.waiting, row.running


def summed(at: datetime, width: int) -> list[Bar]:
    """The minutes of one bar together, by kind and outcome."""
    found: dict[tuple[str, str], Bar] = {}
    for minute in Minute.objects.filter(at__gte=at, at__lt=at + width * MINUTE).order_by("at", "id"):
        kind, outcome = minute.kind, minute.outcome
        bar = found.setdefault((kind, outcome), Bar(minutes=width, at=at, kind=kind, outcome=outcome, **empty_bars()))
        bar.n += minute.n
        for name in ("waiting", "running"):
            more = getattr(minute, name)
            if isinstance(more, list) and len(more) == len(EDGES) + 1:  # as this version of Signalbox counts
                setattr(bar, name, [a + b for a, b in zip(getattr(bar, name), more, strict=True)])
    return list(found.values())


def bucket(seconds: str) -> Case:
    """The index among EDGES, as ``tasks.queries.stats.bucket`` says it; NULL for what never started."""
    return Case(
        When(started_at__isnull=True, then=Value(None)),
        *(When(**{f"{seconds}__lte": edge}, then=Value(i)) for i, edge in enumerate(EDGES)),
        default=Value(len(EDGES)),
    )


def counted(begin: datetime, end: datetime) -> list[Minute]:
    """What ended in these minutes, by kind, queue and outcome: two queries, however many jobs."""
    rows: list[tuple[Any, ...]] = []
    for source in ended_rows(begin, end):
        timed = source.order_by().annotate(
            waited=Seconds("started_at", "ready"), ran=Seconds("at", "started_at"), minute=MinuteOf("at")
        )
        timed = timed.annotate(waiting=bucket("waited"), running=bucket("ran"))
        rows += timed.values_list("minute", "kind", "queue", "outcome", "waiting", "running").annotate(n=Count("id"))
    found: dict[tuple[str, str, str, str], Minute] = {}
    for minute, kind, queue, state, waiting, running, n in rows:
        if (at := read_minute(minute)) is None:
            continue
        fresh = Minute(at=at, kind=kind, queue=queue, outcome=state, **empty_bars())
        row = found.setdefault((minute, kind, queue, state), fresh)
        row.n += n
        if waiting is not None:
            row.waiting[waiting] += n
            row.running[running] += n
    return list(found.values())


def empty_bars() -> dict[str, list[int]]:
    return {name: [0] * (len(EDGES) + 1) for name in ("waiting", "running")}

"""The chores that keep the house small and its charts quick: prune and roll_up.

Both do their work in small steps, each a transaction of its own, so nobody waits for them, and a second run finds
little or nothing to do. What is kept for how long are settings.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, FloatField, Func, Max, Min, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from tasks import registry
from tasks.alarms.models import Alert
from tasks.base import job
from tasks.failures.models import Handled
from tasks.history import EDGES, MINUTE, SETTLED, WIDTHS, floor
from tasks.hooks.models import Delivery
from tasks.models import Bar, Job, LogLine, Minute, State, Worker
from tasks.report import Report

JOBS, LINES, ROWS = 200, 2_000, 1_000  # deleted in one transaction
BREATH_S = 0.02  # between two of them: on SQLite the next writer takes its turn
MINUTES_KEPT = timedelta(days=35)  # the longest chart shows 30 days
TOLD_KEPT = timedelta(days=30)  # deliveries of webhooks, and alerts that are over
WORKERS_KEPT = timedelta(days=7)  # since one that is gone was last seen


@job(queue="chores", quiet=True, serial_key="house", soft_time_limit=3500, time_limit=3600)
def prune(report: Report) -> dict[str, int]:
    """Delete what ended longer ago than it is kept: jobs by outcome, chores sooner, and old counts.

    The settings SIGNALBOX_KEEP_SUCCEEDED_D, SIGNALBOX_KEEP_FAILED_D, SIGNALBOX_KEEP_CANCELLED_D and
    SIGNALBOX_KEEP_QUIET_D say for how many days.
    """
    now = timezone.now()
    gone = dict.fromkeys(("jobs", "lines"), 0)
    for old in outlived(now):
        for jobs, lines in deleted(old):
            gone["jobs"] += jobs
            gone["lines"] += lines
            report.progress(gone["jobs"], None, f"{gone['jobs']:,} jobs and {gone['lines']:,} log lines deleted")
    counts = Minute.objects.filter(at__lt=now - MINUTES_KEPT), Bar.objects.filter(at__lt=now - MINUTES_KEPT)
    gone["minutes"] = sum(deleted_rows(old, lambda: report.progress(gone["jobs"])) for old in counts)
    told = Delivery.objects.filter(finished_at__lt=now - TOLD_KEPT), Alert.objects.filter(closed_at__lt=now - TOLD_KEPT)
    gone["deliveries"], gone["alerts"] = (deleted_rows(old, lambda: report.progress(gone["jobs"])) for old in told)
    # What was failing then is no longer there to be handled.
    Handled.objects.filter(until__lt=now - timedelta(days=settings.SIGNALBOX_KEEP_FAILED_D)).delete()
    gone["workers"], _ = Worker.objects.filter(seen_at__lt=now - WORKERS_KEPT).delete()
    return gone


def outlived(now: datetime) -> Iterator[QuerySet[Job]]:
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

    A job that somebody tries again in this very moment is none of ``old`` any more, and stays.
    """
    while ids := list(old.values_list("pk", flat=True)[:JOBS]):
        lines = LogLine.objects.filter(job__in=old.filter(pk__in=ids).order_by())
        while line_ids := list(lines.values_list("pk", flat=True)[:LINES]):
            yield 0, LogLine.objects.filter(pk__in=line_ids).delete()[0]
            time.sleep(BREATH_S)
        with transaction.atomic():
            held = list(old.filter(pk__in=ids).select_for_update(skip_locked=True).values_list("pk", flat=True))
            done = Job.objects.filter(pk__in=held).delete()[1].get(Job._meta.label, 0)
        yield done, 0
        if not done:  # all of them are held by somebody else: the next run will see
            return
        time.sleep(BREATH_S)


def deleted_rows(old: QuerySet[Any], go_on: Callable[[], None]) -> int:
    count = 0
    while ids := list(old.values_list("pk", flat=True)[:ROWS]):
        count += old.model._default_manager.filter(pk__in=ids).delete()[0]
        go_on()
        time.sleep(BREATH_S)
    return count


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
    changed: set[datetime] = set()
    for minute in to_count(window, end):
        if news := count(minute):
            changed.add(minute)
            written += news
        done += 1
        report.progress(done, None, f"{minute:%Y-%m-%d %H:%M}")
    for width in WIDTHS:
        for bar in to_sum(width * MINUTE, changed, end):
            put(Bar.objects.filter(minutes=width, at=bar), summed(bar, width))
            report.progress(done, None, f"{bar:%Y-%m-%d %H:%M}, {width} minutes")
    return {"minutes": done, "written": written}


def to_count(window: datetime, end: datetime) -> Iterator[datetime]:
    """The minutes of the window in which something finished, or was thought to; before it, those that were missed."""
    last = Minute.objects.aggregate(at=Max("at"))["at"]
    known = set(Minute.objects.filter(at__gte=window).values_list("at", flat=True))
    finished = Job.objects.filter(finished_at__isnull=False)
    at = min(last + MINUTE if last else window - MINUTES_KEPT, window)
    while at < end:
        found = finished.filter(finished_at__gte=at, finished_at__lt=end).aggregate(at=Min("finished_at"))["at"]
        then = floor(found, MINUTE) if found else end
        yield from sorted(minute for minute in known if at <= minute < then)
        if then < end:
            yield then
        at = then + MINUTE


def to_sum(width: timedelta, changed: set[datetime], end: datetime) -> list[datetime]:
    """The bars that are over and not summed up yet, or no longer right: minutes of theirs were written."""
    last = Bar.objects.filter(minutes=width / MINUTE).aggregate(at=Max("at"))["at"]
    news = Minute.objects.filter(at__gte=last + width) if last else Minute.objects.all()
    bars = {floor(minute, width) for minute in {*news.values_list("at", flat=True), *changed}}
    return sorted(bar for bar in bars if bar + width <= end)


def count(minute: datetime) -> int:
    """Make the rows of one minute what the jobs say; returns how many rows had to be written."""
    return put(Minute.objects.filter(at=minute), counted(minute))


def put(rows: QuerySet[Any], wanted: list[Any]) -> int:
    """Make these rows the wanted ones; returns how many had to be written."""
    kept = {key(row): row for row in wanted}
    known = {key(row): row for row in rows}
    gone = [row.pk for name, row in known.items() if name not in kept]
    news = [row for name, row in kept.items() if name not in known or told(known[name]) != told(row)]
    if gone or news:
        unique = rows.model._meta.constraints[0].fields
        with transaction.atomic():
            rows.filter(pk__in=gone).delete()
            rows.model._default_manager.bulk_create(
                news, update_conflicts=True, unique_fields=unique, update_fields=["n", "waiting", "running"]
            )
    return len(news) + len(gone)


def key(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row._meta.constraints[0].fields)


def told(row: Any) -> tuple[int, list[int], list[int]]:
    return row.n, row.waiting, row.running


def summed(at: datetime, width: int) -> list[Bar]:
    """The minutes of one bar together, by kind and outcome."""
    found: dict[tuple[str, str], Bar] = {}
    for minute in Minute.objects.filter(at__gte=at, at__lt=at + width * MINUTE).order_by("at", "id"):
        kind, outcome = minute.kind, minute.outcome
        bar = found.setdefault((kind, outcome), Bar(minutes=width, at=at, kind=kind, outcome=outcome, **unheard()))
        bar.n += minute.n
        for name in ("waiting", "running"):
            setattr(bar, name, [a + b for a, b in zip(getattr(bar, name), getattr(minute, name), strict=True)])
    return list(found.values())


class Seconds(Func):
    """How long from the second moment to the first."""

    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "ROUND((julianday(%(expressions)s)) * 86400.0, 3)"  # it counts days, with milliseconds for a rest
        return self.as_sql(compiler, connection, template=template, arg_joiner=") - julianday(", **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "EXTRACT(EPOCH FROM (%(expressions)s))::double precision"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **more)


def bucket(seconds: str) -> Case:
    """The index among EDGES, as ``tasks.history.bucket`` says it; NULL for what never started."""
    return Case(
        When(started_at__isnull=True, then=Value(None)),
        *(When(**{f"{seconds}__lte": edge}, then=Value(i)) for i, edge in enumerate(EDGES)),
        default=Value(len(EDGES)),
    )


def counted(minute: datetime) -> list[Minute]:
    """What finished in one minute, by kind, queue and outcome: one query, however many jobs."""
    ready = Coalesce("queued_at", "created_at")
    rows = (
        Job.objects.filter(finished_at__gte=minute, finished_at__lt=minute + MINUTE, state__in=Job.FINAL)
        .order_by()
        .annotate(waited=Seconds("started_at", ready), ran=Seconds("finished_at", "started_at"))
        .annotate(waiting=bucket("waited"), running=bucket("ran"))
        .values_list("kind", "queue", "state", "waiting", "running")
        .annotate(n=Count("id"))
    )
    found: dict[tuple[str, str, str], Minute] = {}
    for kind, queue, state, waiting, running, n in rows:
        row = found.setdefault(
            (kind, queue, state), Minute(at=minute, kind=kind, queue=queue, outcome=state, **unheard())
        )
        row.n += n
        if waiting is not None:
            row.waiting[waiting] += n
            row.running[running] += n
    return list(found.values())


def unheard() -> dict[str, list[int]]:
    return {name: [0] * (len(EDGES) + 1) for name in ("waiting", "running")}

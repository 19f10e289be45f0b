"""Watched applications in the shapes that pages, API and sockets show. Orders for them: ``asking``.

Reads rows and settings only: what is shown of an application comes from its observer's rows, not from its broker.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.utils import timezone

from tasks.engine.models import Job, instant
from tasks.observe import counting
from tasks.observe.models import GAPS_SHOWN, App, Gap, Order, WatchedQueue, WatchedWorker

SILENT_S = 15.0  # rows that are further behind are watched by nobody


def apps() -> list[dict[str, Any]]:
    """The watched applications, and those that were: see docs/observe.md for the shape."""
    return [_app(each) for each in App.objects.order_by("name")]


def names() -> list[str]:
    """Of the watched applications, and of those that were."""
    return list(App.objects.order_by("name").values_list("name", flat=True))


def app(name: str) -> dict[str, Any]:
    """One of them. App.DoesNotExist."""
    return _app(App.objects.get(name=name))


def _app(each: App) -> dict[str, Any]:
    gaps = list(each.gaps.order_by("-until")[:GAPS_SHOWN])
    there = each.workers.filter(stopped_at__isnull=True) if each.watched else ()
    said = [row.events or "off" for row in there]
    return {
        "name": each.name,
        "transport": each.transport,
        "as_of": instant(each.as_of),
        "lag_s": lag_s(each),
        "events": "on" if said and set(said) == {"on"} else "partly" if "on" in said else "off",
        "workers": len(said),
        "unseen": each.unseen,
        "gaps": [gap.to_dict() for gap in gaps],
    }


def about(name: str) -> dict[str, Any]:
    """What pages say of an application beside that. App.DoesNotExist."""
    each = App.objects.get(name=name)
    return {
        "watched": each.watched,
        "note": each.note or None,
        "since": instant(each.since),
        "dropped": each.dropped,
        "led": bool(each.holder),
    }


def lag_s(each: App) -> float | None:
    """Seconds by which the rows are behind: since they were complete, at least what events lately took."""
    if each.as_of is None:
        return None
    behind = (timezone.now() - each.as_of).total_seconds()
    return round(max(behind - 1.2, 0.0) + each.lag_ms / 1000, 3)  # it is written once a second when nothing happens


def is_current(each: App) -> bool:
    """Whether somebody watches it now, so that what its rows say is what is."""
    lag = lag_s(each)
    return each.watched and lag is not None and lag <= SILENT_S


def stats() -> list[dict[str, Any]]:
    """What the socket says of each application that is watched now: name, as_of, lag_s, unseen, workers. One query."""
    there = Count("workers", filter=Q(workers__stopped_at=None))
    return [
        {
            "name": each.name,
            "as_of": instant(each.as_of),
            "lag_s": lag_s(each),
            "unseen": each.unseen,
            "workers": each.there,
        }
        for each in App.objects.filter(watched=True).annotate(there=there).order_by("name")
    ]


def with_apps(counted: dict[str, Any]) -> dict[str, Any]:
    """The board's counts of all jobs, with what ended of watched applications in the last hour, and their ``stats``."""
    ended = counting.last_hour(App.objects.filter(watched=True))
    last_hour = {outcome: n + ended[outcome] for outcome, n in counted["last_hour"].items()}
    return counted | {"last_hour": last_hour, "apps": stats()}


def workers(name: str = "") -> list[dict[str, Any]]:
    """Workers of one application or of all, in the shape of our own workers and with what is known beside it."""
    rows = WatchedWorker.objects.select_related("app").order_by("app__name", "name", "-since")
    rows = rows.filter(app__name=name) if name else rows.filter(app__watched=True)
    now = timezone.now()
    running: dict[str, list[str]] = {}
    open_rows = Job.every.filter(state=Job.State.RUNNING).exclude(app="")
    for worker, uid in (open_rows.filter(app=name) if name else open_rows).values_list("worker", "uid")[:2_000]:
        running.setdefault(worker, []).append(str(uid))
    found, seen = [], set()
    for row in rows:
        key = f"{row.app.name}:{row.name}"
        if key in seen or (row.stopped_at and now - row.stopped_at > timedelta(hours=1)):
            continue
        seen.add(key)
        age = max(0.0, (now - row.seen_at).total_seconds())
        found.append(
            {
                "name": key,
                "app": row.app.name,
                "host": row.name.partition("@")[2],
                "pid": row.pid,
                "queues": [f"{row.app.name}:{queue}" for queue in row.queues],
                "concurrency": row.concurrency,
                "running": running.get(key, []),
                "beat_age_s": round(age, 1),
                "alive": row.stopped_at is None and age <= 6.0,
                "stopped_at": instant(row.stopped_at),
                "silent_since": instant(row.silent_since),
                "processed": row.processed,
                "active": row.active,
                "unseen": row.unseen,
                "load": row.load,
                "version": row.version or None,
                "skew_s": row.skew_ms / 1000,
                "events": row.events or "off",
                "events_why": row.events_why or None,
                "pool": row.pool or None,
                "detail": row.detail,
            }
        )
    return found


def queues(name: str = "") -> list[dict[str, Any]]:
    """Queues of watched applications as their brokers count them. ``depth``: messages that wait, or None."""
    rows = WatchedQueue.objects.select_related("app").order_by("app__name", "name")
    rows = rows.filter(app__name=name) if name else rows.filter(app__watched=True)
    return [
        {
            "name": f"{row.app.name}:{row.name}",
            "app": row.app.name,
            "depth": row.depth,
            "unacknowledged": row.unacknowledged,
            "consumers": row.consumers,
            "seen_at": instant(row.seen_at),
        }
        for row in rows
    ]


def gaps_in(
    begin: datetime | None = None, until: datetime | None = None, names: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Gaps with tasks that nobody saw, the newest first, each with its application's name: for charts and searches.

    Those that touch a time, with an open end where it is None; of these applications, or of all.
    """
    rows = Gap.objects.select_related("app").filter(unseen__gt=0).order_by("-until", "-id")
    rows = rows.filter(until__gte=begin) if begin else rows
    rows = rows.filter(begin__lte=until) if until else rows
    rows = rows.filter(app__name__in=names) if names else rows
    return [{"app": row.app.name, **row.to_dict()} for row in rows[:GAPS_SHOWN]]


def facts(job: Job) -> dict[str, Any]:
    """How what a watched task's row says is known: ``arguments`` (message, inspect, result, text or ""), ``held_by``,
    ``note``, ``retries``, ``runtime_s``, ``basis``, ``may_run_again`` and why not."""
    known = job.headers if isinstance(job.headers, dict) else {}
    real = known.get("arguments") in ("message", "inspect", "result")
    why = None if real else (
        "Its arguments are only known as text, which a person has to read and confirm. With result_extended in the "
        "application they would be known."
    )  # fmt: skip
    return {**known, "basis": job.basis, "may_run_again": real, "why_not": why}


def orders_of(name: str, job: UUID | None = None, most: int = 50) -> list[dict[str, Any]]:
    """Orders of an application, or about one task, the newest first."""
    rows = Order.objects.select_related("app").filter(app__name=name).order_by("-id")
    return [row.to_dict() for row in (rows.filter(job=job) if job else rows)[:most]]

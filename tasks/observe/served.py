"""Counts, queues and workers of watched applications in the shapes of our own: what ``app=`` of the API asks for.

Read-only. ``names``: of watched applications, and ``own`` where our own jobs are meant too.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone

from tasks.engine.applications import OWN
from tasks.engine.models import Job
from tasks.observe import counting, watched
from tasks.observe.models import App
from tasks.queries import board, series, stats

WORKER = ("name", "host", "pid", "queues", "concurrency", "running", "beat_age_s", "alive")


def counts(names: Collection[str], period: str) -> dict[str, Any]:
    """``now``, ``last_hour``, and the ``buckets`` and ``kinds`` of a period."""
    own = OWN in names
    ended = stats.count(period) if own else stats.Counts({}, {}, None)
    for app in _apps(names):
        sources = (counting.Bars([app]),)
        for at, bucket in series.of(period, sources=sources).buckets.items():
            ended.bars.setdefault(at, Counter()).update(bucket.ended)
        for kind, bucket in series.totals(period, sources=sources).items():
            for whole, part in zip(ended.times_of(kind), bucket.times, strict=True):
                whole.update(part)
    now = Counter(board.now() if own else {})
    now.update(dict(_open(names, *board.NOW).values_list("state").annotate(n=Count("id"))))
    last_hour = Counter(stats.recent().last_hour if own else {}) + counting.last_hour(_apps(names))
    return {
        "now": {state: now[state] for state in board.NOW},
        "last_hour": {outcome: last_hour[outcome] for outcome in stats.OUTCOMES},
        **ended.to_dict(),
    }


def queues(names: Collection[str]) -> list[dict[str, Any]]:
    """``queued``: what the broker counts, or, where it is not known, the rows that wait."""
    since = timezone.now() - stats.MINUTE
    waiting = {row["name"]: row for row in board.waiting_of(_watched(names))}
    running = Counter(dict(_by_queue(_open(names, "running"))))
    started = Counter(dict(_by_queue(_open(names, "running").filter(started_at__gt=since))))
    ended = Job.every.filter(app__in=_watched(names), finished_at__gt=since, started_at__gt=since)
    started.update(dict(_by_queue(ended)))
    depths = {row["name"]: row["depth"] for name in _watched(names) for row in watched.queues(name)}
    served = Counter(queue for worker in workers(names) if worker["alive"] for queue in worker["queues"])
    rows = [
        {
            "name": name,
            "paused": False,
            "queued": waiting.get(name, {"queued": 0})["queued"] if depths.get(name) is None else depths[name],
            "oldest_s": waiting.get(name, {"oldest_s": None})["oldest_s"],
            "running": running[name],
            "started_per_min": started[name],
            "workers": served[name],
        }
        for name in {*depths, *waiting, *running, *started, *served}
    ]
    return [*(board.queues() if OWN in names else ()), *rows]


def workers(names: Collection[str]) -> list[dict[str, Any]]:
    rows = [row for name in _watched(names) for row in watched.workers(name)]
    return [*(board.workers() if OWN in names else ()), *({key: row[key] for key in WORKER} for row in rows)]


def _watched(names: Collection[str]) -> list[str]:
    return [name for name in names if name != OWN]


def _apps(names: Collection[str]) -> QuerySet[App]:
    return App.objects.filter(name__in=_watched(names))


def _open(names: Collection[str], *states: str) -> QuerySet[Job]:
    return board.state(*states, apps=True).filter(app__in=_watched(names)).order_by()


def _by_queue(jobs: QuerySet[Job]) -> QuerySet[Any]:
    return jobs.order_by().values_list("queue").annotate(n=Count("id"))

"""Queries of what pages, API and socket show of all jobs: board, statistics, queues, workers.

They mean our own jobs. With ``apps``, rows and ``now`` have the tasks of watched applications too.
Read-only. Each query is bounded, however long the history: partial indexes count live states, ``tasks.queries.stats``
counts finished jobs. Do not call these inside ``atomic``: SQLite could report a locked database.
"""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.utils import timezone

from tasks.engine import registry, storable
from tasks.engine.models import Job, Queue, State, Worker
from tasks.queries import stats as history

RUNNING, QUEUED, RETRYING, FINISHED = 300, 100, 50, 50
WORKERS = 200
NOW = ("scheduled", "queued", "running", "retrying")
HEADS = 2_000  # first jobs of a queue whose waiting time is read
SHOWN_FOR = timedelta(days=1)  # a worker that has not called in for so long is not shown
REMEMBERED_S = 60.0  # a version tells of every change but a user's new name
UNSHOWN = (
    "params", "secrets", "result", "traceback", "idempotency_key", "idempotency_digest", "then", "callback_url",
    "headers",
)  # fmt: skip

_shown: tuple[dict[UUID, dict[str, Any]], float] = ({}, 0.0)


def board(apps: bool = False) -> dict[str, Any]:
    """``{"jobs": [summary…], "stats": {"now", "last_hour"}, "workers": […], "queues": […]}``, in a bounded read."""
    waiting = _waiting(apps)
    # Read in the order in which jobs move: a job that moves meanwhile is read twice, and never missed.
    keys = _next_queued(waiting)
    keys += state("running", apps=apps).order_by("started_at", "id").values_list("uid", "version")[:RUNNING]
    retrying = state("scheduled", "retrying", apps=apps).filter(state=_literal("retrying"))  # the words of the index
    keys += retrying.order_by("due_at", "id").values_list("uid", "version")[:RETRYING]
    jobs = _known(dict(keys + _newest_finished(apps)))
    if apps:
        return {"jobs": jobs, **counts(apps)}
    held: dict[str, list[str]] = {}
    for job in jobs:
        if job["state"] == State.RUNNING:
            held.setdefault(job["worker"], []).append(job["id"])
    return {"jobs": jobs, **_counted(waiting, held)}


def counts(apps: bool = False) -> dict[str, Any]:
    """The members of ``board`` without the jobs."""
    found = _counted(_waiting(), _held())
    if apps:
        found["stats"] = found["stats"] | {"now": _now(_waiting(apps), _busy(apps), apps)}
    return found


def tallies_of_queues() -> dict[str, dict[str, int]]:
    """Queue → ``running`` and ``waiting``, of our own queues and those of watched applications."""
    waiting, busy = _waiting(apps=True), _busy(apps=True)
    counted = {name: row["n"] for name, row in waiting.items()}
    return {name: {"running": busy[name], "waiting": counted.get(name, 0)} for name in sorted({*counted, *busy})}


def watched() -> list[str]:
    """The watched applications that have tasks here, by name: each is one step along an index."""
    found: list[str] = []
    while True:
        rows = Job.every.filter(~Q(app=RawSQL("''", ())), app__gt=found[-1] if found else "")
        name = rows.order_by("app", "id").values_list("app", flat=True).first()
        if name is None:
            return found
        found.append(name)


def summaries(uids: Iterable[str]) -> list[dict[str, Any]]:
    """The summaries of these jobs, those that exist."""
    return [job.summary() for job in _summaries(Job.every.filter(uid__in=list(uids)))]


def now() -> dict[str, int]:
    """State of NOW → how many of our own jobs are in it."""
    return _now(_waiting(), _busy())


def workers() -> list[dict[str, Any]]:
    """``name, host, pid, queues, concurrency, running: [ids], beat_age_s, alive``, those that called today, by name."""
    return _workers(_held())


def queues() -> list[dict[str, Any]]:
    """``name, paused, queued, oldest_s, running, started_per_min, workers``, by name."""
    return _queues(_waiting(), _busy(), history.recent().started)


def waiting_of(apps: Iterable[str]) -> list[dict[str, Any]]:
    """The queues of watched applications in which something waits: ``name, paused, queued, oldest_s``."""
    now, rows = timezone.now(), state("queued", apps=True).filter(app__in=list(apps)).order_by().values("queue")
    since = Min(Coalesce("queued_at", "created_at"))
    return [
        {"name": row["queue"], "paused": False, "queued": row["n"], "oldest_s": _age(row["since"], now)}
        for row in rows.annotate(n=Count("id"), since=since)
    ]


def state(*names: str, apps: bool = False) -> QuerySet[Job]:
    """Jobs in these states, named in the SQL itself: with a parameter, no planner uses a partial index."""
    literals, jobs = [_literal(name) for name in names], Job.every if apps else Job.objects
    return jobs.filter(state=literals[0]) if len(literals) == 1 else jobs.filter(state__in=literals)


def _literal(name: str) -> RawSQL:
    return RawSQL(f"'{State(name).value}'", ())  # noqa: S611 - what is not one of ours raises


def _summaries(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.select_related("owner").defer(*UNSHOWN)


def _counted(waiting: dict[str, dict[str, Any]], held: dict[str, list[str]]) -> dict[str, Any]:
    busy, recent = _busy(), history.recent()
    return {
        "stats": {"now": _now(waiting, busy), "last_hour": recent.last_hour},
        "workers": _workers(held),
        "queues": _queues(waiting, busy, recent.started),
    }


def _held() -> dict[str, list[str]]:
    """Worker → the jobs that it runs, oldest first."""
    held: dict[str, list[str]] = {}
    for worker, uid in state("running").order_by("started_at", "id").values_list("worker", "uid")[:RUNNING]:
        held.setdefault(worker, []).append(str(uid))
    return held


def _waiting(apps: bool = False) -> dict[str, dict[str, Any]]:
    """Queue → how many wait in it, the key of the first, and whose queue it is. From the index alone."""
    rows = state("queued", apps=apps).order_by().values("queue", "app").annotate(n=Count("id"), first=Min("id"))
    return {row["queue"]: row for row in rows}


def _busy(apps: bool = False) -> Counter[str]:
    """Queue → its number of running jobs."""
    rows = state("running", apps=apps).order_by().values_list("queue").annotate(n=Count("id"))
    return Counter(dict(rows))


def _next_queued(waiting: dict[str, dict[str, Any]]) -> list[tuple[UUID, int]]:
    """The next to run of all queues: the most urgent first; within a priority queues take turns; paused ones last.

    Read queue by queue, or a million waiting jobs would be sorted each time. Browsers sort alike (job_text.js).
    """
    paused = set(Queue.objects.filter(paused=True).values_list("name", flat=True))
    heads: list[tuple[tuple[Any, ...], UUID, int]] = []
    for queue, row in waiting.items():
        jobs = state("queued", apps=True).filter(queue=queue, app=row["app"]).order_by("-priority", "id")
        before: Counter[int] = Counter()
        for priority, key, uid, version in jobs.values_list("priority", "id", "uid", "version")[:QUEUED]:
            heads.append(((queue in paused, -priority, before[priority], key), uid, version))
            before[priority] += 1
    return [(uid, version) for _, uid, version in sorted(heads)[:QUEUED]]


def _newest_finished(apps: bool = False) -> list[tuple[UUID, int]]:
    """The newest finished, without the successes of chores (what failed is shown whatever it was).

    Read app by app, in the order of the index.
    """
    quiet = {kind.name for kind in registry.kinds() if kind.quiet}
    newest = Job.objects.filter(finished_at__isnull=False).order_by("-finished_at", "-id")
    looked = newest.values_list("finished_at", "pk", "uid", "version", "kind", "state")
    ended = [
        row for row in looked[: FINISHED * (4 if quiet else 1)] if row[-1] != State.SUCCEEDED or row[-2] not in quiet
    ]
    for app in watched() if apps else ():
        rows = Job.every.filter(app=app, finished_at__isnull=False).order_by("-finished_at", "-id")
        ended += rows.values_list("finished_at", "pk", "uid", "version", "kind", "state")[:FINISHED]
    return [(uid, version) for _, _, uid, version, *_ in sorted(ended, reverse=True)[:FINISHED]]


def _known(versions: dict[UUID, int]) -> list[dict[str, Any]]:
    """The summaries of these jobs. A version that this process has shown lately is not read again."""
    global _shown
    shown, until = _shown
    if time.monotonic() > until:
        shown, until = {}, time.monotonic() + REMEMBERED_S
    now = {uid: shown[uid] for uid, version in versions.items() if uid in shown and shown[uid]["version"] == version}
    for job in _summaries(Job.every.filter(uid__in=versions.keys() - now.keys())):
        now[job.uid] = job.summary()
    _shown = now, until
    return [now[uid] for uid in versions if uid in now]


def _now(waiting: dict[str, dict[str, Any]], busy: Counter[str], apps: bool = False) -> dict[str, int]:
    later = dict(state("scheduled", "retrying", apps=apps).order_by().values_list("state").annotate(n=Count("id")))
    return {
        "scheduled": later.get(State.SCHEDULED, 0),
        "queued": sum(row["n"] for row in waiting.values()),
        "running": busy.total(),
        "retrying": later.get(State.RETRYING, 0),
    }


def _workers(held: dict[str, list[str]]) -> list[dict[str, Any]]:
    now = timezone.now()
    rows = Worker.objects.filter(seen_at__gt=now - SHOWN_FOR).order_by("-seen_at")[:WORKERS]
    return [
        {
            "name": worker.name,
            "host": worker.host,
            "pid": worker.pid,
            "queues": storable.texts(worker.queues),
            "concurrency": worker.concurrency,
            "running": held.get(worker.name, []),
            "beat_age_s": _age(worker.seen_at, now),
            "alive": _alive(worker, now),
        }
        for worker in sorted(rows, key=lambda worker: worker.name)
        if worker.stopped_at is None or worker.name in held  # one that was stopped is not lost: it is gone
    ]


def _queues(waiting: dict[str, dict[str, Any]], busy: Counter[str], started: Counter[str]) -> list[dict[str, Any]]:
    now = timezone.now()
    paused = dict(Queue.objects.values_list("name", "paused"))
    since = {queue: _oldest(queue, row["first"]) for queue, row in waiting.items()}
    started = started + _started_and_running(now)
    served: Counter[str] = Counter()
    for worker in Worker.objects.filter(seen_at__gt=now - SHOWN_FOR).order_by("-seen_at")[:WORKERS]:
        served.update(storable.texts(worker.queues) if _alive(worker, now) else ())
    return [
        {
            "name": name,
            "paused": paused.get(name, False),
            "queued": waiting[name]["n"] if name in waiting else 0,
            "oldest_s": _age(since[name], now) if since.get(name) else None,
            "running": busy[name],
            "started_per_min": started[name],
            "workers": served[name],
        }
        for name in sorted({*registry.queues(), *paused, *waiting, *busy, *served})
    ]


def _oldest(queue: str, first: int) -> datetime | None:
    """When the longest waiting job of a queue was queued. A retried job counts from its last move to queued.

    An outage that is retried puts many old jobs before what has waited all along, so many are asked.
    """
    heads = state("queued").filter(queue=queue).order_by("-priority", "id").values("id")[:HEADS]
    since = Min(Coalesce("queued_at", "created_at"))
    asked = [
        state("queued").filter(**which).aggregate(since=since)["since"] for which in ({"id__in": heads}, {"id": first})
    ]
    return min(filter(None, asked), default=None)


def _started_and_running(now: datetime) -> Counter[str]:
    """Queue → jobs that started within the last minute and still run (the others: ``history.recent``)."""
    recent = state("running").filter(started_at__gt=now - history.MINUTE)
    return Counter(dict(recent.order_by().values_list("queue").annotate(n=Count("id"))))


def _alive(worker: Worker, now: datetime) -> bool:
    return worker.stopped_at is None and _age(worker.seen_at, now) <= settings.SIGNALBOX_LEASE_S


def _age(since: datetime, now: datetime) -> float:
    return round(max(0.0, (now - since).total_seconds()), 1)

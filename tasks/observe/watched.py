"""Watched applications in the shapes that pages, API and sockets show, and placing orders. Everything others may use.

Reads rows and settings only: what is shown of an application comes from its observer's rows, not from its broker.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Count, F, Q
from django.utils import timezone

from tasks.access import audit
from tasks.access.actions import NotAllowed
from tasks.access.permissions import Actor, may
from tasks.engine import notify, sealing, storable
from tasks.engine.errors import KeyReused, NotInState, Refused
from tasks.engine.models import Job, instant
from tasks.observe import counting
from tasks.observe import values as read
from tasks.observe.models import GAPS_SHOWN, App, Gap, Order, WatchedQueue, WatchedWorker
from tasks.observe.values import Invalid

__all__ = [
    "Invalid", "about", "app", "apps", "cancel", "facts", "gaps_in", "orders_of", "place_order", "queues",
    "refuse_own_verbs", "run_again", "stats", "why_not_sent", "with_apps", "workers",
]  # fmt: skip


SILENT_S = 15.0  # rows that are further behind are watched by nobody
POOLS_WITHOUT_A_STOP = ("thread", "solo")  # in the names of pools
USED = "This idempotency key was used for another request."


class CannotBe(Refused):
    """What was asked for cannot be true of a watched task. The text says why."""

    code = "conflict"


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
    ended = counting.last_hour()
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


# --- asking -----------------------------------------------------------------------------------------------------------


def place_order(name: str, order: str, *, actor: Any = None, job: UUID | None = None, **given: Any) -> dict[str, Any]:
    """Write down what is wanted; the observer carries it out within half a second.

    Returns ``{"id", "state", "answers"}``. ``actor`` must hold ``steer``, or ``purge`` for a purge. App.DoesNotExist,
    Invalid (field by field), NotAllowed, CannotBe.
    """
    row = App.objects.get(name=name)
    wanted = read.order(order, given)
    if actor is not None and not may(actor, "purge" if order == "purge" else "steer"):
        raise NotAllowed("Orders to watched applications are not yours to give.")
    with audit.refusals(actor, f"watched.{order}", target := f"{name} {order}"):
        _must_be_watched(row)
    made = _write(row, actor, order, wanted, job, target)
    return {key: made[key] for key in ("id", "state", "answers")}


def cancel(actor: Any, job: Job, reason: str = "", terminate: bool = False) -> dict[str, Any] | None:
    """Ask the workers of a watched task to drop it, or with ``terminate`` to stop the process that runs it.

    The order says what each of them answered; the task is cancelled when a worker, a result or a look confirms it.
    The same wish again is no second order: None.
    """
    if not may(actor, "cancel", job):
        raise NotAllowed("This job is not yours to cancel.")
    order = "terminate" if terminate else "cancel"
    with audit.refusals(actor, f"watched.{order}", job.uid):
        row = _application(job)
        if job.state in Job.FINAL:
            raise NotInState(job, f"Too late to cancel: this task has ended, it is {job.state}.")
        if job.state == Job.State.RUNNING and not terminate:
            raise CannotBe("It runs: Celery can only stop it by ending its process. Terminate it.")
        pool = _pool_of(row, job) if terminate else ""
        if any(word in pool for word in POOLS_WITHOUT_A_STOP):
            raise CannotBe(f"Its worker has a pool that cannot stop a task ({pool}): it goes on to its end.")
    if job.cancel_requested_at and Order.objects.filter(job=job.uid, order=order).exists():
        return None
    asked = _write(row, actor, order, {"task": job.task_id}, job.uid, str(job.uid))
    rows = Job.every.select_related("owner").filter(pk=job.pk, app=job.app)
    rows.update(
        cancel_requested_at=timezone.now(), cancel_requested_by=Actor.of(actor).user,
        cancel_reason=storable.text(reason, 500), version=F("version") + 1,
    )  # fmt: skip
    notify.push_changes(rows)
    return asked


def refuse_own_verbs(actor: Any, action: str, job: Job, what: str) -> None:
    """Raise CannotBe for a watched task: ``what`` is done to our own jobs only."""
    if job.app:
        with audit.refusals(actor, action, job.uid):
            raise CannotBe(f"A task of the watched application {job.app} cannot be {what} from here.")


def _application(job: Job) -> App:
    row = App.objects.filter(name=job.app).first()
    if row is None:
        raise CannotBe(f"{job.app} is no longer watched.")
    _must_be_watched(row)
    return row


def _pool_of(row: App, job: Job) -> str:
    """The name of the pool of the worker that runs a task, such as ``prefork``."""
    rows = row.workers.filter(name=job.worker.removeprefix(f"{row.name}:"), stopped_at=None)
    return (rows.order_by("-seen_at").values_list("pool", flat=True).first() or "").partition(":")[0]


def why_not_sent(job: Job) -> str:
    """Why a task cannot be sent again to its application, whatever its arguments are; empty if it can."""
    try:
        _application(job)
    except CannotBe as refused:
        return str(refused)
    return "" if job.queue.partition(":")[2] else "Its queue is not known: no message of it was seen."


def run_again(
    actor: Any, job: Job, args: list[Any] | None = None, kwargs: dict[str, Any] | None = None, once: str | None = None
) -> tuple[dict[str, Any], bool]:
    """Send a task of the same kind with the same arguments under a new id. Returns the order, and whether it is new;
    ``values["task"]`` is the new id.

    Only real arguments are sent: those of the message, of inspect or of an extended result; or ``args`` and ``kwargs``,
    which a person has read and confirmed. The same ``once`` of the same person gives the same order, or KeyReused when
    it came with another request.
    """
    if not may(actor, "submit"):
        raise NotAllowed("Jobs are not yours to make.")
    with audit.refusals(actor, "watched.run_again", job.uid):
        return _run_again(actor, job, args, kwargs, once)


def _run_again(
    actor: Any, job: Job, args: list[Any] | None, kwargs: dict[str, Any] | None, once: str | None
) -> tuple[dict[str, Any], bool]:
    row, user = _application(job), Actor.of(actor).user
    if once and (made := with_key(user, once)):
        return _same(made, job), False
    if once and user and Job.objects.filter(owner=user, idempotency_key=once).exists():
        raise KeyReused(USED)
    confirmed = args is not None
    if not confirmed:
        if not facts(job)["may_run_again"]:
            raise CannotBe(facts(job)["why_not"])
        real = _real_arguments(job)
        args, kwargs = real.get("args") or [], real.get("kwargs") or {}
    if why := why_not_sent(job):
        raise CannotBe(why)
    queue = job.queue.partition(":")[2]
    wanted = read.again(job.kind, queue, args, kwargs or {}) | {"copy_of": str(job.uid), "confirmed": confirmed}
    secret = {"args": args, "kwargs": kwargs or {}}
    try:
        return _write(row, actor, "run_again", wanted, job.uid, str(job.uid), secret, once), True
    except IntegrityError:  # the same key in the same moment
        if not (once and (made := with_key(user, once))):
            raise
        return _same(made, job), False


def _real_arguments(job: Job) -> dict[str, Any]:
    try:
        return sealing.unseal(job.secrets).get("real") if job.secrets else job.params
    except sealing.Unsealable:
        raise CannotBe("Its arguments were sealed with another SECRET_KEY, and cannot be read any more.") from None


def with_key(user: Any, once: str) -> Order | None:
    """The order that a person gave with this idempotency key."""
    return Order.objects.select_related("app").filter(by=user, once=once).first() if user else None


def refuse_used_key(user: Any, once: str | None) -> None:
    """Raise KeyReused for a key with which that person had a watched task run again."""
    if once and with_key(user, once):
        raise KeyReused(USED)


def _same(made: Order, job: Job) -> dict[str, Any]:
    if made.job != job.uid:
        raise KeyReused(USED)
    return made.to_dict()


def _must_be_watched(row: App) -> None:
    if settings.SIGNALBOX_OBSERVE_READONLY:
        raise CannotBe("SIGNALBOX_OBSERVE_READONLY is on: nothing is ever sent to a watched application.")
    if not row.watched:
        raise CannotBe(f"{row.name} is no longer watched.")


def _write(
    row: App,
    actor: Any,
    order: str,
    wanted: dict[str, Any],
    job: UUID | None,
    target: str,
    secret: dict[str, Any] | None = None,
    once: str | None = None,
) -> dict[str, Any]:
    who = Actor.of(actor)
    made = Order(
        app=row, order=order, values=wanted, job=job, by=who.user, who=who.name[:150], asked_at=timezone.now(),
        secrets=sealing.seal(secret or {}), once=once,
    )  # fmt: skip
    audit.do(
        actor, f"watched.{order}", target, made.save, app=row.name, **{k: v for k, v in wanted.items() if k != "task"}
    )
    return made.to_dict()

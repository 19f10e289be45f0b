"""Asking watched applications to do something: orders, cancels, tasks that are run again. Everything others may use.

Writes down what is wanted, once and with its audit entry. The observer carries it out and writes the answers.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from tasks.access import audit
from tasks.access.actions import NotAllowed
from tasks.access.permissions import Actor, may
from tasks.engine import notify, sealing, storable
from tasks.engine.errors import KeyReused, NotInState, Refused
from tasks.engine.models import Job
from tasks.observe import values as read
from tasks.observe.models import App, Order
from tasks.observe.values import Invalid
from tasks.observe.watched import facts

__all__ = [
    "CannotBe", "Invalid", "cancel", "place_order", "refuse_own_verbs", "refuse_used_key", "run_again", "why_not_sent",
]  # fmt: skip

POOLS_WITHOUT_A_STOP = ("thread", "solo")  # in the names of pools
USED = "This idempotency key was used for another request."


class CannotBe(Refused):
    """What was asked for cannot be true of a watched task. The text says why."""

    code = "conflict"


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


def refuse_used_key(actor: Any, once: str | None) -> None:
    """Raise KeyReused for a key with which that person had a watched task run again."""
    with audit.refusals(actor, "submit", ""):
        if once and with_key(Actor.of(actor).user, once):
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

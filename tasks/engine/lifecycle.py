"""The state machine: every verb that moves a job, and the only code that writes a job's state.

Each verb is one guarded UPDATE (docs/lifecycle.md shows the table of moves). A verb that returns None wrote nothing,
since another process had moved the job first. tasks.webhooks.outbox queues webhook deliveries in the transaction of the
move. Browsers and workers are notified after the commit.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery.utils.nodenames import anon_nodename
from django.db import IntegrityError, connection, transaction

from tasks.engine import acceptance, attempts, calls, chains, creation, notify, registry, releases, routing, storable
from tasks.engine.call_options import ORIGIN
from tasks.engine.errors import Failure, NotInState
from tasks.engine.lease import HELD, TERMINATE
from tasks.engine.log_context import REQUEST, request_id
from tasks.engine.models import Job, Outcome, State
from tasks.engine.transition import OF_UID, Raw, found_by, move, not_before, now, retry_on_lock
from tasks.webhooks import outbox

WAITING = "state IN ('scheduled', 'queued', 'retrying')"
EXPIRED = "expired"  # as Celery says it
ZERO, EMPTY, NULL = Raw("0"), Raw("''"), Raw("NULL")
NOTHING_DONE = {"progress_done": ZERO, "progress_total": ZERO, "progress_note": EMPTY}
NO_ERROR = {"error": EMPTY, "traceback": EMPTY, "error_key": EMPTY}
UNASKED = {"cancel_requested_at": None, "cancel_requested_by_id": None, "cancel_reason": ""}
# A waiting job is cancelled at once (finished_at = cancel_requested_at) and keeps its due_at, which undo needs.
# A running job ends later than the request, and has no due_at.
AS_IT_WAITED = "CASE WHEN due_at IS NULL THEN 'queued' WHEN attempt = 0 THEN 'scheduled' ELSE 'retrying' END"
CANCELLED_WAITING = f"{OF_UID} AND state = 'cancelled' AND finished_at = cancel_requested_at"


# --- asked for by people and programs --------------------------------------------------------------------------


def submit(
    kind: str,
    params: Mapping[str, Any],
    *,
    owner: Any = None,
    priority: int | None = None,
    queue: str | None = None,
    due_at: datetime | None = None,
    idempotency_key: str | None = None,
    copy_of: Job | None = None,
    parent: UUID | None = None,
    root: UUID | None = None,
    callback_url: str = "",
    schedule: UUID | None = None,
    slot: str | None = None,
    uid: UUID | None = None,
    then: list[Any] | None = None,
    expires_at: datetime | None = None,
    headers: dict[str, Any] | None = None,
    chosen: bool = True,
) -> tuple[Job, bool]:
    """Create a job and return it with True. For a key, slot or uid that is taken, return that job with False.

    ``headers``: what its code finds in its request. ``chosen``: somebody chose the uid, so it may be taken already.

    Raises UnknownKind, ParamError (wrong parameters, field by field), KeyReused. Once its transaction is committed,
    the job exists whatever happens to the broker.
    """
    job = creation.build_job(registry.get(kind), params, owner, priority, due_at, uid, queue)
    job.idempotency_key = idempotency_key or None
    job.copy_of, job.parent, job.root, job.callback_url = copy_of and copy_of.uid, parent, root, callback_url
    job.schedule, job.slot, job.then = schedule, slot, then
    job.expires_at = expires_at
    creation.set_headers(job, {**_asked_in(), **(headers or {})})
    job.asked = creation.asked(job, due_at, params) if idempotency_key else ""
    job.idempotency_digest = creation.digest(job.asked) if idempotency_key else ""
    return acceptance.accept(job, repeatable=bool(idempotency_key or slot or (uid and chosen)))


def submit_many(kind: str, many: Sequence[Mapping[str, Any]], *, owner: Any = None, **common: Any) -> list[Job]:
    """Create many jobs of one kind, all or none. ``common``: priority, due_at, and columns such as parent."""
    options = {name: common.pop(name, None) for name in ("priority", "due_at")}
    found, by, asked_in = registry.get(kind), routing.routes(), _asked_in()
    jobs = [creation.build_job(found, params, owner, **options, by=by) for params in many]
    for job in jobs:
        for column, value in common.items():
            setattr(job, column, value)
        job.headers = {**asked_in, **(job.headers or {})}
    return acceptance.accept_all(jobs)


def _asked_in() -> dict[str, Any]:
    """The process and, where there is one, the request in which a job is asked for."""
    return {ORIGIN: anon_nodename(), **({REQUEST: request_id.get()} if request_id.get() else {})}


@retry_on_lock
def cancel(uid: UUID, by: Any = None, reason: str = "") -> Job:
    """Cancel a waiting job; ask a running one to stop. Can be repeated. Raises Job.DoesNotExist, NotInState."""
    asked = {
        "cancel_requested_at": now(),
        "cancel_requested_by_id": by and by.pk,
        "cancel_reason": storable.text(reason, 500),
    }
    waiting, first = f"{OF_UID} AND state IN ('scheduled', 'queued', 'retrying')", "cancel_requested_at IS NULL"
    if reason == TERMINATE:  # also of a job that was only asked until now
        first = f"({first} OR cancel_reason <> '{TERMINATE}')"
    moved = _moved({"state": State.CANCELLED, "finished_at": asked["cancel_requested_at"], **asked}, waiting, [uid])
    moved = moved or move(asked, f"{OF_UID} AND state = 'running' AND {first}", [uid])
    if moved:
        notify.push_changes(moved)
        notify.notify_next_of_key(moved[0])
        return moved[0]
    job = _read(uid)
    if job.state == State.CANCELLED or (job.state == State.RUNNING and job.cancel_requested_at):
        return job
    raise NotInState(job, f"Too late to cancel: the job has {job.state}.")


def retry(uid: UUID, by: Any = None) -> Job:
    """Queue a failed or cancelled job again, with all its attempts. Raises Job.DoesNotExist, NotInState."""
    fresh = {
        "failures": 0,
        "finished_at": None,
        "due_at": None,
        "expires_at": None,
        **_queued_again(),
        **NO_ERROR,
        **UNASKED,
    }
    job, done = _requeue(uid, fresh, f"{OF_UID} AND state IN ('failed', 'cancelled')")
    if not done:
        instead = "submit a copy to run it again" if job.state == State.SUCCEEDED else "it has not ended"
        raise NotInState(job, f"The job is {job.state}: {instead}.")
    return job


def take_back(uid: UUID, by: Any = None) -> Job:
    """Undo the cancel of a job that waited: its state and due_at are as before. Raises Job.DoesNotExist, NotInState."""
    was = {"state": Raw(AS_IT_WAITED), "finished_at": None, "rung_at": now(), **UNASKED}
    try:
        job, done = _requeue(uid, was, CANCELLED_WAITING)
    except IntegrityError:  # it would be retrying with a serial key that another job holds now
        raise NotInState(
            _read(uid), "Another job of its serial key has its turn: try this one again instead."
        ) from None
    if not done:
        why = "it ran already" if job.state == State.CANCELLED else f"it is {job.state}"
        raise NotInState(job, f"Only the cancel of a job that waited is taken back: {why}.")
    return job


@retry_on_lock
def _requeue(uid: UUID, sets: dict[str, Any], where: str) -> tuple[Job, bool]:
    """Move an ended job, notify, and return it with True; or return the job as it is with False.

    A repetition after a lost commit answer recognises its own write by the time in the row.
    """
    moved = _moved(sets, where, [uid])
    job = moved[0] if moved else _read(uid)
    if done := job.rung_at == sets["rung_at"]:
        notify.push_and_notify([job])
    return job, done


# --- the holder of an attempt ----------------------------------------------------------------------------------


def claim(uid: UUID, worker: str, pid: int, kind: str | None = None) -> Job | None:
    """Start the next attempt of a queued job whose queue is not paused and whose serial key is free, or return None.

    ``kind``: only if the job is of that kind. A message names both, and a forged message can name any two.
    """
    named = [registry.own_name(kind)] if kind else []
    where = f"{OF_UID}{' AND kind = %s' * len(named)} AND {notify.IN_TURN}"
    return _claim(where, [uid, *named], _holder(worker, pid), [])


def claim_next(queues: Sequence[str], kinds: Sequence[str], worker: str, pid: int) -> Job | None:
    """Start the next attempt of the first queued job of these queues, among these kinds and those without a serial key.

    The most urgent job is the first; among equally urgent ones that of the first queue, and in it the oldest.
    """
    if not kinds or not queues:
        return None
    holder = _holder(worker, pid)
    first, args = calls.next_of(queues, kinds, holder["started_at"])
    return _claim(f"id = {first}", args, holder, [])


def claim_next_of_keys(kind: str, queues: Sequence[str], worker: str, pid: int) -> Job | None:
    """Start the next attempt of the first queued job of a kind with serial keys whose turn it is."""
    places = ", ".join(["%s"] * len(queues))
    waiting = f"app = '' AND state = 'queued' AND serial_key <> '' AND kind = %s AND queue IN ({places})"
    order = f"{calls.FIRST}{calls.SKIP_LOCKED[connection.vendor]}"
    turn = notify.IN_TURN
    startable = f"{waiting} AND {notify.NOT_PAUSED} AND {calls.NOT_EXPIRED} AND {turn}"
    first = f"id = (SELECT id FROM tasks_job WHERE {startable} {order})"  # noqa: S608 - constants
    holder = _holder(worker, pid)
    return _claim(f"{first} AND {turn}", [kind, *queues, holder["started_at"]], holder, [])


def _holder(worker: str, pid: int) -> dict[str, Any]:
    return {"worker": worker, "pid": pid, "started_at": now(), "release": releases.current()}


@retry_on_lock
def _claim(where: str, args: list[Any], holder: dict[str, Any], tried: list[bool]) -> Job | None:
    """A repetition after a lost answer finds the job held by this claim. ``tried``: empty until the first try."""
    is_first, tried[:] = not tried, [True]
    started = not_before("queued_at", holder["started_at"])
    fresh = {**holder, "state": State.RUNNING, "finished_at": NULL, "due_at": NULL, **NOTHING_DONE, **NO_ERROR}
    sets = {"attempt": Raw("attempt + 1"), "beat": Raw("beat + 1"), **fresh, "started_at": started}
    startable = f"{where} AND state = 'queued' AND {notify.NOT_PAUSED} AND {calls.NOT_EXPIRED}"
    args = [*args, holder["started_at"]]
    try:
        moved = move(sets, f"{startable} AND {outbox.NO_SUBSCRIBERS[State.RUNNING]}", args)
        if not moved and outbox.has_subscribers(State.RUNNING):
            moved = _moved(sets, startable, args)
    except IntegrityError:  # another job of its serial key was claimed in the same moment
        return None
    if not (moved or is_first):
        moved = list(Job.objects.select_related("owner").filter(state=State.RUNNING, **holder)[:1])
    notify.push_changes(moved)
    return moved[0] if moved else None


def succeed(job: Job, result: Any = None, news: Any = None, then: Mapping[str, Any] | None = None) -> Job | None:
    """End the attempt as succeeded, and queue the next steps of its chain in the same transaction.

    ``then``: the column with what follows, if that is not what was asked for.
    """
    ended = {"state": State.SUCCEEDED, "result": storable.result(result), "finished_at": now(), **(then or {})}
    return _end_attempt(job, ended, Outcome.SUCCEEDED, news)


def fail(job: Job, failure: Failure, news: Any = None, outcome: Outcome = Outcome.FAILED) -> Job | None:
    """End the attempt as failed; no other follows."""
    ended = {"state": State.FAILED, "finished_at": now(), "failures": Raw("failures + 1")}
    return _end_attempt(job, ended | attempts.error_columns(failure), outcome, news, failure)


def retry_later(
    job: Job, delay_s: float, failure: Failure, news: Any = None, then: Any = None, changed: Any = None
) -> Job | None:
    """End the attempt as failed; another follows in ``delay_s`` seconds.

    ``then`` as for ``succeed``; ``changed``: columns that the next attempt finds changed, such as ``params``.
    """
    due = now() + timedelta(seconds=max(0.0, delay_s))
    ended = {"state": State.RETRYING, "due_at": due, "failures": Raw("failures + 1"), **attempts.error_columns(failure)}
    ended |= {**(then or {}), **(changed or {})}
    left = _end_attempt(job, ended, Outcome.RETRYING, news, failure, unasked=True)
    return left or cancel_acknowledged(job, "Cancelled before it was tried again.", news)


def cancel_acknowledged(job: Job, sentence: str = "", news: Any = None) -> Job | None:
    """End the attempt as cancelled: it read the request and stopped."""
    ended = {"state": State.CANCELLED, "finished_at": now()}
    return _end_attempt(job, ended, Outcome.CANCELLED, news, Failure(sentence))


def ignore(job: Job, reason: str, news: Any = None) -> Job | None:
    """End the attempt as cancelled by the job's own code, which says ``reason``. Nothing follows it."""
    ended = {"state": State.CANCELLED, "finished_at": now(), "cancel_reason": storable.text(reason, 500)}
    left = _end_attempt(
        job, ended, Outcome.CANCELLED, news, Failure(f"{reason.capitalize()}."), unasked=True, ignored=True
    )
    return left or cancel_acknowledged(job, f"{reason.capitalize()}.", news)


def release(job: Job, news: Any = None) -> Job | None:
    """Queue the job again because its worker stops. This counts as no failure."""
    stopped = Failure("The worker was stopped.")
    left = _end_attempt(job, _queued_again(), Outcome.RELEASED, news, stopped, unasked=True)
    return left or cancel_acknowledged(job, "Cancelled while its worker was stopped.", news)


def rescue(job: Job, beat: int | None = None, sentence: str = "The worker died.", news: Any = None) -> Job | None:
    """End a lost attempt. The job is queued again, cancelled if that was requested, or failed after its last attempt.

    ``beat``: only if the column still has this value.
    """
    lost = Failure.said(sentence)
    spent = job.failures + 1 >= job.max_attempts or not registry.repeatable(job.kind)
    counted = {"failures": Raw("failures + 1")}
    if spent:
        ended = {"state": State.FAILED, "finished_at": now(), **counted, **attempts.error_columns(lost)}
    else:
        ended = {**_queued_again(), **counted}
    left = _end_attempt(job, ended, Outcome.LOST, news, lost, beat, unasked=True)
    return left or _end_attempt(job, {"state": State.CANCELLED, "finished_at": now()}, Outcome.LOST, news, lost, beat)


# --- due jobs --------------------------------------------------------------------------------------------


@retry_on_lock
def wake(most: int = 500) -> int:
    """Queue the scheduled and retrying jobs that are due, the longest due first; returns how many."""
    ours = "SELECT id FROM tasks_job WHERE app = '' AND state IN ('scheduled', 'retrying')"
    due = f"{ours} AND due_at <= %s ORDER BY due_at LIMIT %s"
    _expire(clock := now(), most)
    if not Job.objects.filter(state__in=(State.SCHEDULED, State.RETRYING), due_at__lte=clock, app="").exists():
        return 0  # a read first: on SQLite an UPDATE that finds nothing locks out other writers as well
    moved = _moved(
        {**_queued_again(), "due_at": None},
        f"{found_by(due)} AND state IN ('scheduled', 'retrying') AND due_at <= %s",
        [clock, most, clock],
    )
    notify.push_and_notify(sorted(moved, key=lambda job: job.id))
    for job in moved:
        notify.notify_next_of_key(job)
    return len(moved)


def _expire(clock: datetime, most: int) -> None:
    """Cancel waiting jobs that were not to run later than a moment that has passed. Such a cancel is not taken back."""
    if not Job.objects.filter(expires_at__lte=clock, finished_at=None, app="").exists():
        return
    ended = {"state": State.CANCELLED, "finished_at": clock, "cancel_reason": EXPIRED}
    expired = f"app = '' AND {WAITING} AND expires_at <= %s"
    some = found_by(f"SELECT id FROM tasks_job WHERE {expired} LIMIT %s")  # noqa: S608 - constants
    moved = _moved(ended, f"{some} AND {expired}", [clock, most, clock])
    notify.push_changes(moved)
    for job in moved:
        notify.notify_next_of_key(job)


# --- shared by the verbs ---------------------------------------------------------------------------------------


def _queued_again() -> dict[str, Any]:
    """Columns of a job that is queued again; the progress of an earlier attempt is reset."""
    return {"state": State.QUEUED, "rung_at": (clock := now()), "queued_at": clock, **NOTHING_DONE}


def _moved(sets: dict[str, Any], where: str, args: Sequence[Any]) -> list[Job]:
    """Move jobs and queue their webhook deliveries in one transaction."""
    with transaction.atomic():
        moved = move(sets, where, args)
        if moved:
            followers = [
                each for job in moved if job.state == State.CANCELLED and job.then for each in chains.begin(job)
            ]
            attempts.write_endings([*moved, *followers])
            outbox.queue_deliveries([*moved, *followers])
            notify.push_and_notify(followers)
    return moved


@retry_on_lock
def _end_attempt(
    job: Job,
    ended: dict[str, Any],
    outcome: Outcome,
    news: Any,
    failure: Failure | None = None,
    beat: int | None = None,
    unasked: bool = False,
    ignored: bool = False,
) -> Job | None:
    """End a running attempt: job row, attempt row, last log lines and webhook deliveries, in one transaction.

    ``beat``: only if the column still has this value. ``unasked``: only if no cancel was requested. ``ignored``: as
    if the job had not been there, for what would follow it.
    """
    sets = {**(attempts.progress_columns(news) if news else {}), **ended}
    if "finished_at" in sets:
        sets["finished_at"] = not_before("started_at", sets["finished_at"])
    where = HELD + " AND beat = %s" * (beat is not None) + " AND cancel_requested_at IS NULL" * unasked
    args = [job.pk, job.attempt, *([] if beat is None else [beat])]
    lines, moved = news.lines if news else (), list[Job]()
    if outcome == Outcome.SUCCEEDED and not (lines or sets.get("follow_ups", job.then) or job.callback_url):
        moved = move(sets, f"{where} AND {outbox.NO_SUBSCRIBERS[State.SUCCEEDED]}", args, known=job)
    followers: list[Job] = []
    if not moved:
        with transaction.atomic():
            moved = move(sets, where, args)
            if moved:
                followers = chains.begin(moved[0]) if moved[0].then and not ignored else []
                attempts.write_lines(moved[0], lines)
                if outcome != Outcome.SUCCEEDED:
                    attempts.write_attempt(moved[0], outcome, failure)
                attempts.write_endings([*moved, *followers])
                outbox.queue_deliveries([*moved, *followers])
    if not moved:
        attempts.fence(job, outcome)
        return None
    left = moved[0]
    if left.state == State.QUEUED:
        notify.push_and_notify(moved, sooner=1)  # the job has waited once already, so it goes first
    else:
        notify.push_changes(moved)
        notify.notify_next_of_key(left)
    notify.push_and_notify(followers)
    return left


def _read(uid: UUID) -> Job:
    return Job.objects.select_related("owner").get(uid=uid)

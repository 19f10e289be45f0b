"""Schedules: made, changed, paused, run by hand, and what a beat does when a slot is due.

A slot is settled by one guarded UPDATE of ``done_until``, in the transaction that inserts its job: however many beats
look, whatever their clocks and pauses, each slot is settled once. ``slots`` says which slots there are.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from tasks.access.actions import NotAllowed
from tasks.engine import creation, lifecycle, registry, sealing, storable
from tasks.engine.errors import NotInState, Refused
from tasks.engine.models import Job
from tasks.engine.transition import retry_on_lock
from tasks.engine.uid import uuid7
from tasks.params.signature import MASK
from tasks.schedules import crontab as fields
from tasks.schedules import entries, slots
from tasks.schedules.models import Run, Schedule

GRACE = timedelta(seconds=60)  # a slot that is found later than this was missed; sooner, it is run and shown as late
RUNS_KEPT = 200  # of each schedule
SHORTEST_S = 1
STRANGE = 20  # rows whose tasks are no kinds that are named on the page
PLAN = {"interval", "crontab", "clocked", "start_time", "one_off"}  # columns of PeriodicTask that say when


class WrongTiming(ValueError):
    """There is no such time, or it never comes; the text is one sentence."""


# --- when ------------------------------------------------------------------------------------------------------


def every(seconds: int, start: datetime | None = None) -> dict[str, Any]:
    """The timing of ``create``: each ``seconds``, the first time at ``start`` or after one interval."""
    if seconds < SHORTEST_S:
        raise WrongTiming("An interval is at least one second.")
    return {"interval": IntervalSchedule(every=seconds, period="seconds"), "start_time": start}


def crontab(text: str, zone: str) -> dict[str, Any]:
    """Five fields (minute, hour, day of month, month, day of week) in a time zone, as Celery reads them."""
    texts = text.split()
    if len(texts) != 5:
        raise WrongTiming("Give five fields: minute, hour, day of the month, month, day of the week.")
    try:
        moments = slots.Crontab(*fields.read(tuple(texts)), ZoneInfo(zone))
    except fields.WrongField as wrong:
        raise WrongTiming(str(wrong)) from None
    except (KeyError, ValueError, OSError):
        raise WrongTiming("There is no such time zone.") from None
    if moments.following(timezone.now()) is None:
        raise WrongTiming("This crontab matches no date.")
    columns = {field.column: text for field, text in zip(fields.FIELDS, texts, strict=True)}
    return {"crontab": CrontabSchedule(**columns, timezone=moments.zone)}


def once(at: datetime) -> dict[str, Any]:
    if at <= timezone.now():
        raise WrongTiming("Choose a time in the future.")
    return {"clocked": ClockedSchedule(clocked_time=at), "one_off": True}


def draft(timing: Mapping[str, Any]) -> Schedule:
    """An unsaved schedule, to show when it would run."""
    return Schedule(periodic=PeriodicTask(**timing))


def _kept(timing: Mapping[str, Any]) -> dict[str, Any]:
    """The same timing with saved rows. Their tables have no unique keys: take the first equal row, or make it."""
    kept = dict(timing)
    for name in ("interval", "crontab", "clocked"):
        if (row := kept.get(name)) is not None and row.pk is None:
            columns = {field.name: getattr(row, field.name) for field in row._meta.fields if not field.primary_key}
            kept[name] = type(row).objects.filter(**columns).order_by("pk").first() or type(row).objects.create(
                **columns
            )
    return kept


# --- made and changed ------------------------------------------------------------------------------------------


@retry_on_lock
def create(
    name: str, kind: str, params: Mapping[str, Any], timing: Mapping[str, Any], owner: Any = None, **policy: Any
) -> Schedule:
    """A new schedule. ``timing`` from ``every``, ``crontab`` or ``once``; ``policy``: overlap, missed, priority.

    Raises UnknownKind, ParamError; Refused when the name is taken.
    """
    clean, secrets = _split(kind, params)
    with transaction.atomic():
        if PeriodicTask.objects.filter(name=name).exists():
            raise NameTaken("A schedule with this name already exists.")
        periodic = PeriodicTask.objects.create(name=name, task=kind, kwargs=json.dumps(clean), **_kept(timing))
        return Schedule.objects.create(periodic=periodic, secrets=secrets, owner=owner, **policy)


class NameTaken(Refused):
    code = "conflict"


@retry_on_lock
def change(
    schedule: Schedule,
    *,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    timing: Mapping[str, Any] | None = None,
    **policy: Any,
) -> Schedule:
    """Change what is given. Another timing begins now: slots of the past are not made up for."""
    with transaction.atomic():
        periodic, row = schedule.periodic, {**policy}
        if name is not None and name != periodic.name:
            if PeriodicTask.objects.filter(name=name).exists():
                raise NameTaken("A schedule with this name already exists.")
            periodic.name = name
        if params is not None:
            clean, row["secrets"] = _split(periodic.task, params)
            periodic.kwargs, periodic.args = json.dumps(clean), "[]"
        if timing is not None:
            kept = _kept(timing)
            for column in PLAN:
                setattr(periodic, column, kept.get(column, False if column == "one_off" else None))
            row["done_until"] = timezone.now()
        periodic.save(force_update=True)  # beats see it; one that was deleted meanwhile does not come back
        Schedule.objects.filter(pk=schedule.pk).update(**row)
    return fresh(schedule)


@retry_on_lock
def pause(schedule: Schedule, paused: bool) -> Schedule:
    """Pause a schedule, or go on with it: slots that passed meanwhile are not run later."""
    with transaction.atomic():
        periodic = PeriodicTask.objects.get(pk=schedule.periodic_id)
        if periodic.enabled == paused:
            periodic.enabled = not paused
            periodic.save()
            Schedule.objects.filter(pk=schedule.pk).update(done_until=timezone.now())
    return fresh(schedule)


@retry_on_lock
def run_now(schedule: Schedule, by: Any) -> Job:
    """One run beside the timetable. Raises UnknownKind and ParamError when the job cannot be made any more."""
    with transaction.atomic():
        job = _submit(schedule, None, by)
        Run.objects.create(
            schedule=schedule,
            slot=f"now {uuid7().hex[-12:]}",
            outcome=Run.Outcome.STARTED,
            at=timezone.now(),
            job=job.uid,
        )
    return job


def opened(schedule: Schedule) -> dict[str, Any]:
    """The parameters with their secrets in place."""
    return creation.with_values(schedule.params, sealing.unseal(schedule.secrets) if schedule.secrets else {})


def fresh(schedule: Schedule) -> Schedule:
    return rows().get(pk=schedule.pk)


def rows() -> Any:
    """Schedules with all that tells their times."""
    return Schedule.objects.select_related("periodic__interval", "periodic__crontab", "periodic__clocked", "owner")


def _split(kind: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Clean parameters with secrets masked, and the secrets sealed."""
    known = registry.get(kind)
    if not known.open:
        raise NotAllowed("Only code schedules jobs of this kind. SIGNALBOX_ADOPT_SUBMIT opens adopted tasks.")
    signature, clean = known.signature, known.signature.clean(params)
    creation.rows_exist(known, clean)
    secrets = {name: clean[name] for name in signature.secrets if clean.get(name) is not None}
    return {**clean, **dict.fromkeys(secrets, MASK)}, sealing.seal(secrets)


# --- what a beat does ------------------------------------------------------------------------------------------


def adopt() -> None:
    """Give rows that others made (Django's admin, ``beat_schedule`` in code) a Schedule of their own.

    A moment that has passed by now runs once, however late: its row may be made a second before it, or while no beat
    runs, and django-celery-beat runs it then.
    """
    now, bare = timezone.now(), PeriodicTask.objects.filter(schedule_row__isnull=True, task__in=registry.names())
    for key, at in bare.values_list("pk", "clocked__clocked_time"):  # whether each can be kept is found out later
        before = {"done_until": min(now, at - timedelta(microseconds=1)), "missed": Schedule.Missed.ONCE} if at else {}
        Schedule.objects.get_or_create(periodic_id=key, defaults=before)


def strange_rows() -> list[str]:
    """A sentence for each enabled row of a task that is no kind, which no beat starts. Celery's chores are left out."""
    rows = PeriodicTask.objects.filter(enabled=True, schedule_row__isnull=True).exclude(task__in=registry.names())
    named = rows.exclude(task__startswith="celery.").order_by("name").values_list("name", "task")[:STRANGE]
    return [f"The schedule {name!r} starts nothing: {entries.why_not(task)}." for name, task in named]


@retry_on_lock
def keep(schedule: Schedule, now: datetime) -> Run | None:
    """Settle what is due at ``now``. None: nothing is, or another beat was quicker."""
    with transaction.atomic():
        schedule = fresh(schedule)
        periodic, timing = schedule.periodic, schedule.timing
        if not periodic.enabled or timing is None:
            return None
        until = min(now, periodic.expires) if periodic.expires else now
        due = slots.due(timing, schedule.done_until, until)
        mine = Schedule.objects.filter(pk=schedule.pk, done_until=schedule.done_until)
        if due is None or not mine.update(done_until=due.slot):
            return None
        late = now - due.slot
        missed, first = due.missed, due.first_missed
        runs = late <= GRACE or schedule.missed == Schedule.Missed.ONCE
        if not runs:
            missed, first = missed + 1, first or due.slot
        if missed:
            _write(schedule, first, Run.Outcome.MISSED, now, count=missed)
        row = _run(schedule, due.slot, now) if runs else None
        ran = {"last_run_at": now, "total_run_count": F("total_run_count") + 1}
        if periodic.one_off:
            ran["enabled"] = False
        PeriodicTask.objects.filter(pk=periodic.pk).update(**ran)
        if periodic.one_off:
            PeriodicTasks.update_changed()
        return row


def _run(schedule: Schedule, slot: datetime, now: datetime) -> Run:
    outcome, job, note = Run.Outcome.STARTED, None, ""
    live = Job.objects.filter(schedule=schedule.uid, state__in=[*Job.LIVE])
    if schedule.overlap == Schedule.Overlap.SKIP and live.exists():
        return _write(schedule, slot, Run.Outcome.SKIPPED, now, note="The previous run was still running.")
    if schedule.overlap == Schedule.Overlap.CANCEL:
        for uid in live.values_list("uid", flat=True):
            try:
                lifecycle.cancel(uid, None, "The next run of its schedule started.")
            except NotInState:  # it ended in this moment
                continue
    try:
        with transaction.atomic():
            job = _submit(schedule, slots.name(slot), schedule.owner).uid
    except (OperationalError, InterfaceError):  # the database is away: another beat, or another look, will do it
        raise
    except Exception as error:  # parameters that no longer fit, a kind that is gone, secrets of a lost key
        outcome, note = Run.Outcome.REFUSED, str(error)
    return _write(schedule, slot, outcome, now, job=job, note=note)


def _submit(schedule: Schedule, slot: str | None, owner: Any) -> Job:
    order = entries.order_of(schedule.periodic)
    if schedule.priority is not None:
        order["priority"] = schedule.priority
    asked = {"owner": owner, "schedule": schedule.uid, "slot": slot, **order}
    job, _ = lifecycle.submit(schedule.periodic.task, opened(schedule), **asked)
    return job


def _write(schedule: Schedule, slot: datetime, outcome: Run.Outcome, now: datetime, **more: Any) -> Run:
    more["note"] = storable.text(more.get("note", ""), 500)
    late = max(0.0, (now - slot).total_seconds())
    row, _ = Run.objects.get_or_create(
        schedule=schedule, slot=slots.name(slot), defaults={"outcome": outcome, "at": now, "late_s": late, **more}
    )
    for old in Run.objects.filter(schedule=schedule).values_list("pk", flat=True)[RUNS_KEPT : RUNS_KEPT + 1]:
        Run.objects.filter(schedule=schedule, pk__lte=old).delete()
    return row

"""Moves everything that belongs to a kind under another name: rows, counts, schedules, groups of failures, filters.

For a kind whose function got another name, or shares its name with another function now. Rows are moved some at a time,
so that workers and pages go on meanwhile; done again after an interruption, it goes on where it was.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import models, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Substr
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from tasks.alerts.models import Rule
from tasks.engine import registry
from tasks.engine.models import Bar, Chord, Counted, Ending, Job, Minute, State
from tasks.engine.transition import retry_on_lock
from tasks.failures.models import Handled, Merged, Snoozed
from tasks.webhooks.models import Endpoint

AT_ONCE = 500


class NotRenamed(ValueError):
    """The two names cannot be these; the text is one sentence."""


def check(old: str, new: str) -> str:
    """The name that rows get. Raises NotRenamed: nothing is guessed, and no living kind loses its rows."""
    if (kind := registry.find(new)) is None:
        raise NotRenamed(f"There is no kind of job named {new!r}: rows would belong to nobody.")
    if registry.find(old) is not None:
        raise NotRenamed(f"{old!r} is the name of a kind that there is: its next jobs would have the old name again.")
    return kind.name


def rename(old: str, new: str) -> dict[str, int]:
    """Move all that is there under ``old``. Returns what was moved: "jobs", "schedules" …, with its number."""
    moved = {"jobs": sum(_jobs(old, new)), "steps of chains": sum(_steps(old, new))}
    moved["endings"] = sum(_some(Ending.objects.filter(kind=old, job__app=""), {"kind": new}))
    moved["counts"] = sum(_counts(model, old, new) for model in (Minute, Bar))
    moved["marks of failures"] = sum(_marks(model, old, new) for model in (Handled, Merged, Snoozed))
    moved["schedules"] = _schedules(old, new)
    moved["alert rules"] = Rule.objects.filter(kind=old).update(kind=new)
    moved["webhooks"] = sum(_webhooks(old, new))
    return moved


def _some(rows: models.QuerySet, what: Mapping[str, Any]) -> Iterator[int]:
    """Update rows some at a time, in the order of their keys. Yields how many each time."""
    last = 0
    while keys := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        yield _update(rows.model.objects.filter(pk__in=keys), what)
        last = keys[-1]


@retry_on_lock
def _update(rows: models.QuerySet, what: Mapping[str, Any]) -> int:
    return rows.update(**what)


def _jobs(old: str, new: str) -> Iterator[int]:
    """The version rises, or open pages would keep the old name. What waits for its turn waits with the new ones."""
    key = Concat(Value(new), Substr("serial_key", len(old) + 1))
    rows, rise = Job.objects.filter(kind=old, app=""), {"kind": new, "version": F("version") + 1}
    turns = rows.filter(state__in=[State.QUEUED, State.SCHEDULED], serial_key__startswith=f"{old}:")
    yield from _some(turns, {**rise, "serial_key": key})
    yield from _some(rows, rise)


def _steps(old: str, new: str) -> Iterator[int]:
    """What is still to come after jobs that have not succeeded yet."""
    waiting = Job.objects.filter(then__isnull=False).exclude(state=State.SUCCEEDED)
    for job in waiting.only("pk", "then").iterator(chunk_size=AT_ONCE):
        then, n = _renamed(job.then, old, new)
        if n:
            yield n * Job.objects.filter(pk=job.pk).update(then=then)
    for chord in Chord.objects.all().iterator(chunk_size=AT_ONCE):
        body, n = _renamed(chord.body, old, new)
        if n:
            yield n * Chord.objects.filter(pk=chord.pk).update(body=body)


def _renamed(steps: Any, old: str, new: str) -> tuple[Any, int]:
    """The same with each "kind" that is ``old`` replaced, and how many there were. Parameters are left alone."""
    if isinstance(steps, list):
        found = [_renamed(step, old, new) for step in steps]
        return [step for step, _ in found], sum(n for _, n in found)
    if not isinstance(steps, dict):
        return steps, 0
    changed, n = dict(steps), 0
    for name in ("then", "group", "join", "body"):
        if name in changed:
            changed[name], more = _renamed(changed[name], old, new)
            n += more
    if changed.get("kind") == old:
        return changed | {"kind": new}, n + 1
    return changed, n


@retry_on_lock
def _counts(model: type[Counted], old: str, new: str) -> int:
    """Counts of the same minute are added to those that are there."""
    fields = [name for name in ("minutes", "at", "queue", "outcome") if hasattr(model, name)]
    with transaction.atomic():
        rows = list(model.objects.filter(kind=old))
        there = {tuple(getattr(row, name) for name in fields): row for row in model.objects.filter(kind=new)}
        for row in rows:
            if (other := there.get(tuple(getattr(row, name) for name in fields))) is None:
                model.objects.filter(pk=row.pk).update(kind=new)
                continue
            other.n += row.n
            for name in ("waiting", "running"):
                setattr(other, name, _added(getattr(other, name), getattr(row, name)))
            other.save()
            row.delete()
    return len(rows)


def _added(one: list[int], other: list[int]) -> list[int]:
    longer, shorter = sorted((one, other), key=len, reverse=True)
    return [n + (shorter[i] if i < len(shorter) else 0) for i, n in enumerate(longer)]


@retry_on_lock
def _marks(model: type[models.Model], old: str, new: str) -> int:
    with transaction.atomic():
        there = model.objects.filter(kind=new).values_list("key", flat=True)
        model.objects.filter(kind=old, key__in=list(there)).delete()
        return model.objects.filter(kind=old).update(kind=new)


@retry_on_lock
def _schedules(old: str, new: str) -> int:
    with transaction.atomic():
        n = PeriodicTask.objects.filter(task=old).update(task=new)
        if n:
            PeriodicTasks.update_changed()
    return n


def _webhooks(old: str, new: str) -> Iterator[int]:
    for endpoint in Endpoint.objects.all():
        if old in endpoint.kinds:
            kinds = list(dict.fromkeys(new if name == old else name for name in endpoint.kinds))
            yield Endpoint.objects.filter(pk=endpoint.pk).update(kinds=kinds)

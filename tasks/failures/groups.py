"""Failed jobs in groups: one kind, one place in the code, and errors alike but for ids, numbers and names. Bounded.

A group that somebody has handled comes back by itself when it fails again. The tasks of a watched application are
grouped apart: marks and addresses name their kind ``app:kind``.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Max, Min
from django.utils import timezone

from tasks.access.permissions import visible
from tasks.engine.applications import OWN, jobs_of
from tasks.engine.errors import Refused, pattern
from tasks.engine.models import Ending, Job, State, instant
from tasks.engine.transition import retry_on_lock
from tasks.failures.models import Handled, Merged, Snoozed
from tasks.queries import stats
from tasks.search import finder
from tasks.search.language import NO_KEY, Query

MOST = 100
LONGEST_SNOOZE = timedelta(days=30)
MOST_MERGED = 10  # a search for them all has to fit into its box
STEPS = 10  # looks further back for a group that is named


class CannotMerge(Refused):
    """There is nothing to merge or to split."""

    code = "conflict"


class NoSuchGroup(Refused):
    """There is no such group among the newest failures."""

    code = "not-found"


Cut = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


class Groups(NamedTuple):
    """``edge``: the key of the job where looking ended, if there are older failures."""

    shown: list[dict[str, Any]]
    edge: int | None

    @property
    def looked(self) -> dict[str, Any]:
        back_to = finder.created(self.edge) if self.edge else None
        return {"complete": self.edge is None, "back_to": instant(back_to)}


def newest_first(found: Iterable[Groups]) -> list[dict[str, Any]]:
    """The groups of several applications in one list."""
    shown = [group for each in found for group in each.shown]
    return sorted(shown, key=lambda group: group["last_at"], reverse=True)[:MOST]


def place_of(row: dict[str, Any]) -> tuple[str, str]:
    """Where a group stands among others, before it is read whole: its ``last_at`` and its ``id``."""
    return instant(row["last"]), id_of(row["kind"], row["error_key"])


def newest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return rows[:MOST]


def groups(
    who: Any,
    kind: str = "",
    handled: bool | None = None,
    older: int | None = None,
    key: str | None = None,
    app: str = OWN,
    cut: Cut = newest,
) -> Groups:
    """The groups among the newest failures that ``who`` may see, the newest group first; with ``older``: before that.

    ``handled``: only those that somebody has handled and that have been quiet since, or snoozed, or only the others.
    ``app``: of our own jobs, or of one watched application. ``cut``: which of them are read whole.
    """
    query, jobs = Query.of({"state": ["failed"], "app": [app]}), visible(who, jobs_of([app]))
    if older is None:
        window, edge = finder.window(query, jobs, finder.FIRST)
    else:
        window, edge = finder.window(query, jobs.filter(pk__lt=older))
    window = window.filter(kind=kind) if kind else window
    merged = {(row.kind, row.key): row.into for row in Merged.objects.all()}
    if key is not None:
        name = name_of(app, kind)
        window = window.filter(error_key__in=members(name, merged.get((name, key), key)))
    counted = (
        window.order_by()
        .values("kind", "error_key")
        .annotate(
            count=Count("pk"), first=Min("finished_at"), last=Max("finished_at"), oldest=Min("pk"), newest=Max("pk")
        )
        .order_by("-last", "-newest")
    )
    rows = _put_together([{**row, "app": app, "kind": name_of(app, row["kind"])} for row in counted], merged)
    marks = {(mark.kind, mark.key): mark for mark in Handled.objects.all()}
    snoozes = {(snooze.kind, snooze.key): snooze for snooze in Snoozed.objects.all()}
    now, found = timezone.now(), []
    for row in rows:
        mark = marks.get((row["kind"], row["error_key"]))
        row["mark"] = mark if mark and mark.until >= row["last"] else None
        snooze = snoozes.get((row["kind"], row["error_key"]))
        row["snooze"] = snooze if snooze and snooze.holds(now, row["last"]) else None
        if handled is None or handled == bool(row["mark"] or row["snooze"]):
            found.append(row)
    found = cut(sorted(found, key=place_of, reverse=True))
    asked = {row[name] for row in found for name in ("oldest", "newest")}
    ends = {job.pk: job for job in Job.every.only("uid", "error", "release").filter(pk__in=asked)}
    shown = [_shown(row, ends[row["newest"]], ends.get(row["oldest"])) for row in found if row["newest"] in ends]
    return Groups(shown, edge)


def _put_together(counted: Iterable[dict[str, Any]], merged: dict[tuple[str, str], str]) -> list[dict[str, Any]]:
    """The rows of groups, those that were merged as one; in the order of their newest failures."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    inside: dict[tuple[str, str], list[str]] = {}
    for (kind, key), into in merged.items():
        inside.setdefault((kind, into), []).append(key)
    for row in counted:
        kind, key = row["kind"], row["error_key"]
        root = merged.get((kind, key), key)
        group = found.setdefault((kind, root), {**row, "error_key": root, "count": 0})
        group["count"] += row["count"]
        group["first"], group["oldest"] = min(group["first"], row["first"]), min(group["oldest"], row["oldest"])
        group["last"], group["newest"] = max(group["last"], row["last"]), max(group["newest"], row["newest"])
    for (kind, root), group in found.items():
        group["keys"] = [root, *sorted(inside.get((kind, root), ()))]
    return list(found.values())


def name_of(app: str | None, kind: str) -> str:
    """The kind of a group, as marks and addresses name it. A kind of ours has no colon in its name."""
    return f"{app}:{kind}" if app and app != OWN else kind


def parts_of(name: str) -> tuple[str, str]:
    """The application and the kind that such a name means."""
    app, colon, kind = name.partition(":")
    return (app, kind) if colon else (OWN, name)


def id_of(name: str, key: str) -> str:
    """What names a group in an address."""
    return f"{key or NO_KEY}:{name}"


def read_id(text: str) -> tuple[str, str]:
    """The kind and the key that an id names."""
    key, _, kind = text.partition(":")
    return kind, "" if key == NO_KEY else key


def members(kind: str, root: str) -> list[str]:
    """The keys of a group: its own, and those of the groups that were put into it."""
    return [root, *Merged.objects.filter(kind=kind, into=root).order_by("id").values_list("key", flat=True)]


@retry_on_lock
def merge(kind: str, key: str, into: str, by: str) -> None:
    """Put a group, with all that was put into it, into another one of its kind. Raises CannotMerge."""
    with transaction.atomic():
        above = dict(Merged.objects.filter(kind=kind, key__in=[key, into]).values_list("key", "into"))
        key, into = above.get(key, key), above.get(into, into)
        moved = members(kind, key)
        if key == into:
            raise CannotMerge("These are one group already.")
        if len(moved) + len(members(kind, into)) > MOST_MERGED:
            raise CannotMerge(f"A group is made of {MOST_MERGED} at most.")
        for each in moved:
            row = {"into": into, "at": timezone.now(), "by": by[:150]}
            Merged.objects.update_or_create(kind=kind, key=each, defaults=row)


@retry_on_lock
def split(kind: str, key: str) -> int:
    """Take apart what was put together into this group; how many groups leave it. Raises CannotMerge when none does."""
    root = Merged.objects.filter(kind=kind, key=key).values_list("into", flat=True).first() or key
    gone, _ = Merged.objects.filter(kind=kind, into=root).delete()
    if not gone:
        raise CannotMerge("Nothing was merged into this group.")
    return gone


def _shown(row: dict[str, Any], newest: Job, oldest: Job | None) -> dict[str, Any]:
    mark, snooze = row["mark"], row["snooze"]
    return {
        "id": id_of(row["kind"], row["error_key"]),
        "key": row["error_key"],
        "keys": row["keys"],
        "kind": parts_of(row["kind"])[1],
        "app": None if row["app"] == OWN else row["app"],
        "error": newest.error,
        "pattern": pattern(newest.error),
        "count": row["count"],
        "first_at": instant(row["first"]),
        "last_at": instant(row["last"]),
        "last_job": str(newest.uid),
        "first_release": (oldest and oldest.release) or None,
        "last_release": newest.release or None,
        "snoozed_until": instant(snooze.until) if snooze else None,
        "snoozed_by": snooze.by if snooze else None,
        "handled_at": instant(mark.at) if mark else None,
        "handled_by": mark.by if mark else None,
    }


def one(who: Any, name: str, key: str) -> dict[str, Any]:
    """One group, among as many failures as a page may have gone back through to it. Raises NoSuchGroup."""
    older: int | None = None
    app, kind = parts_of(name)
    for _ in range(STEPS if kind else 0):
        found = groups(who, kind, key=key, older=older, app=app)
        if found.shown:
            return found.shown[0]
        if (older := found.edge) is None:
            break
    raise NoSuchGroup("There is no such group among the newest failures.")


@retry_on_lock
def mark(kind: str, key: str, by: str, until: datetime | None = None) -> None:
    """Say that a group is handled, up to the newest failure that was seen."""
    now = timezone.now()
    said = {"until": min(until or now, now), "at": now, "by": by[:150]}
    Handled.objects.update_or_create(kind=kind, key=key, defaults=said)


@retry_on_lock
def unmark(kind: str, key: str) -> None:
    """Show a group as open again, whether it was handled or snoozed."""
    with transaction.atomic():
        Handled.objects.filter(kind=kind, key=key).delete()
        Snoozed.objects.filter(kind=kind, key=key).delete()


@retry_on_lock
def snooze(kind: str, key: str, by: str, until: datetime | None = None, seen: datetime | None = None) -> None:
    """Show a group as open only after ``until``; without it, once it fails again after ``seen``, or after 30 days."""
    now = timezone.now()
    said = {"until": min(until or now + LONGEST_SNOOZE, now + timedelta(days=366)), "at": now, "by": by[:150]}
    said["seen"] = None if until else seen or now
    Snoozed.objects.update_or_create(kind=kind, key=key, defaults=said)


def read_mark() -> tuple[Any, ...]:
    """Differs when what the page shows may have changed: see ``tasks.web.features.Topic``."""
    handled = Handled.objects.aggregate(n=Count("id"), new=Max("at"))
    snoozed = Snoozed.objects.aggregate(n=Count("id"), new=Max("at"))
    newest = Ending.objects.filter(state=State.FAILED).aggregate(at=Max("at"))
    return stats.recent().last_hour["failed"], *newest.values(), *handled.values(), *snoozed.values()

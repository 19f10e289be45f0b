"""Failed jobs in groups: one kind, and errors that differ only in numbers and names. What is read is bounded.

A group that somebody has handled comes back by itself when it fails again.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from tasks.engine.errors import Refused, pattern
from tasks.engine.models import Job, instant
from tasks.engine.transition import retry_on_lock
from tasks.failures.models import Handled
from tasks.queries import stats
from tasks.search import finder
from tasks.search.language import Query

FAILED = Query.of({"state": ["failed"]})
MOST = 100
STEPS = 10  # looks further back for a group that is named


class NoSuchGroup(Refused):
    """Nothing fails like that, or not lately."""

    code = "not-found"


class Groups(NamedTuple):
    """``edge``: the key of the job where looking ended, if there are older failures."""

    shown: list[dict[str, Any]]
    edge: int | None

    @property
    def looked(self) -> dict[str, Any]:
        back_to = finder.created(self.edge) if self.edge else None
        return {"complete": self.edge is None, "back_to": instant(back_to)}


def groups(
    jobs: QuerySet[Job],
    kind: str = "",
    handled: bool | None = None,
    older: int | None = None,
    key: str | None = None,
) -> Groups:
    """The groups among the newest failures of these jobs, the newest group first; with ``older``: before that one.

    ``handled``: only those that somebody has handled and that have been quiet since, or only the others.
    """
    if older is None:
        window, edge = finder.window(FAILED, jobs, finder.FIRST)
    else:
        window, edge = finder.window(FAILED, jobs.filter(pk__lt=older))
    window = window.filter(kind=kind) if kind else window
    window = window if key is None else window.filter(error_key=key)
    rows = (
        window.order_by()
        .values("kind", "error_key")
        .annotate(count=Count("pk"), first=Min("finished_at"), last=Max("finished_at"), newest=Max("pk"))
        .order_by("-last", "-newest")
    )
    marks = {(mark.kind, mark.key): mark for mark in Handled.objects.all()}
    found = []
    for row in rows:
        mark = marks.get((row["kind"], row["error_key"]))
        row["mark"] = mark if mark and mark.until >= row["last"] else None
        if handled is None or handled == (row["mark"] is not None):
            found.append(row)
        if len(found) == MOST:
            break
    newest = {job.pk: job for job in Job.objects.only("uid", "error").filter(pk__in=[row["newest"] for row in found])}
    return Groups([_shown(row, newest[row["newest"]]) for row in found if row["newest"] in newest], edge)


def _shown(row: dict[str, Any], newest: Job) -> dict[str, Any]:
    mark = row["mark"]
    return {
        "key": row["error_key"],
        "kind": row["kind"],
        "error": newest.error,
        "pattern": pattern(newest.error),
        "count": row["count"],
        "first_at": instant(row["first"]),
        "last_at": instant(row["last"]),
        "last_job": str(newest.uid),
        "handled_at": instant(mark.at) if mark else None,
        "handled_by": mark.by if mark else None,
    }


def one(jobs: QuerySet[Job], kind: str, key: str) -> dict[str, Any]:
    """One group, among as many failures as a page may have gone back through to it. Raises NoSuchGroup."""
    older: int | None = None
    for _ in range(STEPS if kind else 0):
        found = groups(jobs, kind, key=key, older=older)
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
    Handled.objects.filter(kind=kind, key=key).delete()


def read_mark() -> tuple[Any, ...]:
    """Differs when what the page shows may have changed: see ``tasks.web.features.Topic``."""
    handled = Handled.objects.aggregate(n=Count("id"), new=Max("at"))
    return stats.recent().last_hour["failed"], *handled.values()

"""Failed jobs in groups: one kind, and errors that differ only in numbers and names. Read-only and bounded."""

from typing import Any

from django.db.models import Count, Max, Min, QuerySet

from tasks import finding
from tasks.models import Job, instant
from tasks.search import Query

FAILED = Query.of({"state": ["failed"]})
MOST = 100


def groups(jobs: QuerySet[Job], kind: str = "") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The groups among the newest failures of these jobs, the newest group first; and how far back that has looked."""
    window, edge = finding.window(FAILED, jobs)
    window = window.filter(kind=kind) if kind else window
    rows = (
        window.order_by()
        .values("kind", "error_key")
        .annotate(count=Count("pk"), first=Min("finished_at"), last=Max("finished_at"), newest=Max("pk"))
        .order_by("-newest")[:MOST]
    )
    found = list(rows)
    newest = {job.pk: job for job in Job.objects.only("uid", "error").filter(pk__in=[row["newest"] for row in found])}
    shown = [
        {
            "key": row["error_key"],
            "kind": row["kind"],
            "error": newest[row["newest"]].error,
            "count": row["count"],
            "first_at": instant(row["first"]),
            "last_at": instant(row["last"]),
            "last_job": str(newest[row["newest"]].uid),
        }
        for row in found
        if row["newest"] in newest
    ]
    return shown, {"complete": edge is None, "back_to": instant(finding.created(edge)) if edge else None}

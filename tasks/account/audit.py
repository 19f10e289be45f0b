"""The audit trail's page, for admins: who did, or was refused, what. Read-only, like the trail itself."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.http import urlencode

from tasks.access.models import Entry
from tasks.access.permissions import RULES
from tasks.web.pages import Page

PAGE = 50
FILTERS = ("who", "action", "target", "outcome")
BEFORE = ("/jobs/", "/api/jobs/", "/api/v1/jobs/")
AFTER = ("", "cancel/", "retry/", "take-back/", "again/", "share/", "log/", "lines/", "params/", "result/")


class AuditView(Page):
    """Newest first, by keyset: page after page costs the same. Filters are exact, so that an index serves each."""

    template_name = "account/audit.html"
    here = "audit"
    action = "audit"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        asked = {name: self.request.GET.get(name, "").strip().replace("\0", "")[:300] for name in FILTERS}
        asked = {name: value for name, value in asked.items() if value}
        exact = dict(asked)
        if "target" in exact:
            exact["target__in"] = targets(exact.pop("target"))
        rows = self.since(Entry.objects.filter(**exact).order_by("-id"))
        found = list(rows[: PAGE + 1])
        more = urlencode({**asked, "before": found[PAGE - 1].uid}) if len(found) > PAGE else ""
        return super().get_context_data(
            entries=[entry.to_dict() | {"job": job_of(entry)} for entry in found[:PAGE]],
            asked=asked,
            more=more,
            actions=sorted({*RULES, "login", "logout", "prune", asked.get("action", "")} - {""}),
            outcomes=Entry.Outcome.values,
            **context,
        )

    def since(self, rows: QuerySet[Entry]) -> QuerySet[Entry]:
        """What is older than the entry that ``?before=`` names; an unknown one begins again."""
        try:
            before = Entry.objects.filter(uid=UUID(self.request.GET.get("before", ""))).first()
        except ValueError:
            before = None
        return rows.filter(id__lt=before.pk) if before else rows


def targets(text: str) -> list[str]:
    """What was typed; of a job's id, also the addresses at which somebody was refused before the job was looked at."""
    try:
        uid = UUID(text)
    except ValueError:
        return [text]
    return [str(uid), *(f"{before}{uid}/{after}" for before in BEFORE for after in AFTER)]


def job_of(entry: Entry) -> str:
    """The id of the job that it is about, if it is about one."""
    try:
        return str(UUID(entry.target)) if len(entry.target) == 36 else ""
    except ValueError:
        return ""

"""The audit trail's page, for admins: who did, or was refused, what. Read-only, like the trail itself."""

import re
from collections.abc import Mapping
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
            entries=[describe(entry) for entry in found[:PAGE]],
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


DONE = {
    "cancel": "cancelled", "retry": "retried", "take_back": "undid the cancel of", "submit": "submitted",
    "bulk": "started the bulk action", "run_schedule": "ran", "replay": "sent again", "login": "logged in as",
    "logout": "logged out", "logout-everywhere": "logged out everywhere as", "prune": "pruned by",
    "change-password": "changed the password of", "callback_secret": "changed the secret of",
    "steer": "ordered", "purge": "purged", "watched.cancel": "asked to skip",
    "watched.terminate": "asked to terminate", "watched.run_again": "ran again",
}  # fmt: skip
UUID_TEXT = re.compile(r"(?<![/0-9a-f-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{6}([0-9a-f]{6})")


def describe(entry: Entry) -> dict[str, Any]:
    """An entry with what people call it: ``did``, the verb, and ``on``, its target with short ids."""
    did = done(entry.action, entry.detail or {})
    if entry.outcome == Entry.Outcome.REFUSED:
        did = f"tried to {entry.action.removeprefix('watched.').replace('_', ' ').replace('-', ' ')}"
    return entry.to_dict() | {"job": job_of(entry), "did": did, "on": UUID_TEXT.sub(r"\1", entry.target)}


def done(action: str, detail: Mapping[str, Any]) -> str:
    """The verb of what was done. One action may mean several: ``detail`` says which."""
    if action == "pause" or "paused" in detail:
        return "paused" if detail.get("paused", True) else "resumed"
    if action == "share":
        return "revoked a link to" if detail.get("revoked") else "shared"
    if "deleted" in detail:
        return "deleted"
    if action.startswith("change_") or action == "channels":
        return "changed"
    return DONE.get(action, "ordered" if action.startswith("watched.") else action.replace("_", " "))


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

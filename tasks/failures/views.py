"""The page of failures: groups, the newest first; marked as handled, or tried again all at once.

Trying again is a bulk action and is asked for on its own page.
"""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.views.generic import View

from tasks.access import audit
from tasks.access.permissions import may
from tasks.engine.applications import OWN
from tasks.engine.models import Job
from tasks.failures import groups
from tasks.observe import charts, watched
from tasks.search import finder
from tasks.search.language import NO_KEY
from tasks.web.links import bulk_url, jobs_url, quoted
from tasks.web.pages import Allowed, Page, uid_or_404

SENTENCE = 300  # characters of an error that the page shows; the job has it whole


class FailuresView(Page):
    template_name = "failures/failures.html"
    here = "failures"
    action = "see_rows"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user, handled = self.request.user, self.request.GET.get("show") == "handled"
        older = self.request.GET.get("older")
        at = finder.key_of(uid_or_404(older)) if older else None
        names = watched.names()
        app = self.request.GET.get("app", "") if names else OWN
        if app and app != OWN and app not in names:
            raise Http404("No application of that name is watched.")
        if app:
            found = groups.groups(user, handled=handled, older=at, app=app)
        else:  # one may have thousands: each gets a look of its own
            each = [groups.groups(user, handled=handled, app=name) for name in (OWN, *names)]
            found = groups.Groups(groups.newest_first(each), None)
        edge = Job.every.filter(pk=found.edge).first() if found.edge else None
        kept = {name: value for name, value in self.request.GET.items() if name in ("app", "show")}
        further = {"older": edge.uid, **kept} if edge else {}
        return super().get_context_data(
            groups=[group_context(group, found.shown) for group in found.shown],
            app=app if names else "",
            apps=[(name, words, name == app) for name, words in _choices(names)],
            handled=handled,
            chart=None if older else chart_of(app),
            older=older,
            looked=found.looked,
            go_on=further and f"?{urlencode(further)}",
            may_change=may(user, "change_rows"),
            may_retry=may(user, "bulk") and may(user, "retry"),
            **context,
        )


def chart_of(app: str) -> dict[str, Any]:
    """What failed in the last day: of our own jobs, of one application, or of all with an empty name."""
    names = None if app == OWN else [app] if app else []
    text = f"state:failed app:{app}" if app else "state:failed"
    return charts.of(names, "24h", text, own=app in ("", OWN), shown=("failed",))


def _is_like(other: dict[str, Any], group: dict[str, Any]) -> bool:
    """Whether one may be merged into the other."""
    return (other["app"], other["kind"]) == (group["app"], group["kind"])


def _choices(names: list[str]) -> list[tuple[str, str]]:
    """What a person may choose from, if anything is watched: a value of ``app`` and its words."""
    return [("", "All"), (OWN, "Our own jobs"), *((name, name) for name in names)] if names else []


def group_context(group: dict[str, Any], shown: list[dict[str, Any]]) -> dict[str, Any]:
    """A group with what the page says of it: exception and pattern apart, and the search that finds its jobs."""
    exception, colon, rest = group["pattern"].partition(": ")
    named = colon and exception.replace(".", "").replace("_", "").isalnum()
    keys = ",".join(key or NO_KEY for key in group["keys"])
    app = f" app:{group['app']}" if group["app"] else ""
    text = f"state:failed kind:{quoted(group['kind'])} failure:{keys}{app}"
    name = groups.name_of(group["app"], group["kind"])
    return group | {
        "name": name,
        "exception": exception if named else "",
        "sentence": (rest if named else group["pattern"])[:SENTENCE],
        "newest": group["error"][:SENTENCE],
        "jobs_url": jobs_url(text),
        "retry_url": bulk_url("retry", text),
        "others": [other for other in shown if other is not group and _is_like(other, group)],
    }


class HandleView(Allowed, View):
    """Marks a group as handled, up to the failure that the page showed as its newest."""

    http_method_names = ["post"]
    action = "change_rows"
    said = "Marked as handled. It reopens if it fails again."

    def post(self, request: HttpRequest) -> HttpResponse:
        kind, key = request.POST.get("kind", ""), request.POST.get("key", "")
        try:
            group = groups.one(request.user, kind, key)
            detail = {"key": key, "pattern": group["pattern"]} | self.detail()
            audit.do(request, self.action, f"failures of {kind}", lambda: self.write(kind, key), **detail)
            messages.info(request, self.said)
        except (groups.NoSuchGroup, groups.CannotMerge) as no:
            messages.error(request, str(no))
        return redirect(reverse("failures"))

    def detail(self) -> dict[str, str]:
        return {}

    def write(self, kind: str, key: str) -> None:
        """The moment is as the page has it; without one, or with nonsense in its place, it is now."""
        groups.mark(kind, key, self.request.user.get_username(), parse_datetime(self.request.POST.get("until", "")))


class SnoozeView(HandleView):
    """Shows a group as open only when it fails again, or after some hours."""

    said = "Snoozed."

    def write(self, kind: str, key: str) -> None:
        hours = self.request.POST.get("hours", "")
        until = timezone.now() + timedelta(hours=24) if hours == "24" else None
        seen = parse_datetime(self.request.POST.get("until", ""))
        groups.snooze(kind, key, self.request.user.get_username(), until, seen)


class ReopenView(HandleView):
    said = "Reopened."

    def write(self, kind: str, key: str) -> None:
        groups.unmark(kind, key)


class MergeView(HandleView):
    said = "The groups were merged. Split undoes it."

    def detail(self) -> dict[str, str]:
        return {"into": self.request.POST.get("into", "")[:64]}

    def write(self, kind: str, key: str) -> None:
        groups.merge(kind, key, self.request.POST.get("into", "")[:64], self.request.user.get_username())


class SplitView(HandleView):
    said = "The groups were split."

    def write(self, kind: str, key: str) -> None:
        groups.split(kind, key)

"""The Jobs page: one box, what it finds a page at a time, and bulk actions on all of it.

What is asked for stands in the address alone, so it can be shared and the back button works.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.text import capfirst

from tasks.access.permissions import may, visible
from tasks.api import versions
from tasks.engine.applications import OWN
from tasks.engine.models import Job, State, instant
from tasks.observe import charts
from tasks.queries import board, series, stats
from tasks.search import bulk, export, finder, unseen
from tasks.search.bulk import actions_for
from tasks.search.bulk_views import pin_times
from tasks.search.language import EVERY_APP, FILTERS, Query, edited, is_argument, read, taken_for_words
from tasks.search.suggestions import suggested
from tasks.search.wording import describe_query
from tasks.web import bars
from tasks.web.links import bulk_url, jobs_url, quoted
from tasks.web.pages import Page, uid_or_404

PAGE = 50
LENGTHS = {"1h": "last hour", "24h": "last 24 hours", "30d": "last 30 days"}
BY_TIME = "took"  # ?sort= of the jobs that took longest


class JobsView(Page):
    """All jobs that match, newest first, by keyset: page after page costs the same."""

    template_name = "search/jobs.html"
    here = "jobs"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """``?state=failed`` and the like, as links elsewhere have them, lead to the same in the box."""
        names = [*FILTERS, *filter(is_argument, request.GET)]
        named = [f"{name}:{spelt(value)}" for name in names for value in request.GET.getlist(name) if value]
        if named:
            return redirect(jobs_url(" ".join([*named, request.GET.get("q", "")]).strip()))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user, text = self.request.user, self.request.GET.get("q", "").strip()
        query, errors = read(text, user.get_username())
        read_at = timezone.now()
        found = self.find(query) if query else None
        offered = actions_for(user, query) if query and may(user, "bulk") else []
        return super().get_context_data(
            text=text,
            errors=errors,
            readings=[f"{capfirst(describe_query(query))}.", *taken_for_words(text)] if query and text else [],
            words=list(suggested(user)),
            states=[("All", self.address(edited(text, "state")), bool(query) and not query.state), *self.states(query)],
            sorts=[
                ("Newest first", jobs_url(text), not self.by_time),
                ("Longest first", jobs_url(text, sort=BY_TIME), self.by_time),
            ],
            by_time=self.by_time,
            jobs=[job.summary() for job in found.jobs] if found else [],
            **(self.onward(text, found) if found else {}),
            chart=chart_above(text, query) if query and not self.asked_from() else None,
            first=not {"older", "newer"} & self.request.GET.keys(),
            gaps=self.gaps(query, found) if found else [],
            news_since=found.news_since(read_at, query.since) if found else "",
            match=matching(query) if query and not self.by_time else "",
            bulk=[(bulk.WORDS[action], bulk_url(action, text)) for action in offered],
            exports=[(form.upper(), export_url(form, text, query)) for form in export.TYPES] if query else [],
            may_pick=may(user, "cancel") or may(user, "retry"),
            **context,
        )

    @property
    def by_time(self) -> bool:
        return self.request.GET.get("sort") == BY_TIME

    def address(self, text: str, **at: Any) -> str:
        return jobs_url(text, **at, **({"sort": BY_TIME} if self.by_time else {}))

    def states(self, query: Query | None) -> Iterator[tuple[str, str, bool]]:
        """A link for each state: name, address of this very search in that state, and whether that is what is shown."""
        chosen = query.state[0] if query and query.state else frozenset()
        text = self.request.GET.get("q", "").strip()
        for state in State:
            if state != State.UNKNOWN or settings.SIGNALBOX_OBSERVE:  # our own jobs are never unknown
                yield state.label, self.address(edited(text, "state", state)), chosen == {state}

    def find(self, query: Query) -> finder.SearchResult:
        at = {name: finder.key_of(uid_or_404(self.request.GET[name])) for name in self.asked_from()}
        query = query.in_every_app()
        jobs = visible(self.request.user, Job.every.all())
        if self.by_time:
            return finder.longest(query, jobs, older=at.get("older"))
        return finder.find(query, jobs, **at, limit=PAGE)

    def gaps(self, query: Query, found: finder.SearchResult) -> list[dict[str, Any]]:
        """Times of which tasks may be missing here. By time taken, rows of any age are on one page."""
        first, last = not self.asked_from(), found.older is None
        return unseen.gaps(query.in_every_app(), found.jobs, newest=self.by_time or first, oldest=self.by_time or last)

    def asked_from(self) -> list[str]:
        return [name for name in ("older", "newer") if self.request.GET.get(name)][:1]

    def onward(self, text: str, found: finder.SearchResult) -> dict[str, Any]:
        """Links onward: to more of what was found, or to rows that this search has not looked at yet."""
        last = found.jobs[-1].pk if found.jobs else None
        uids = dict(Job.every.filter(pk__in=[key for key in found[1:3] if key]).values_list("pk", "uid"))
        older = self.address(text, older=uids[found.older]) if found.older in uids else ""
        return {
            "older": older,
            "unlooked": bool(older) and (found.older != last or self.by_time),
            "back_to": instant(found.back_to),
            "newer": jobs_url(text, newer=uids[found.newer]) if found.newer in uids else "",
        }


def chart_above(text: str, query: Query) -> dict[str, Any]:
    """What ended lately of the kind and the queue that a search names, with bars that narrow this very search."""
    since = query.since or (query.ended or (None,))[0]
    age = timezone.now() - since if since else timedelta(hours=24)
    named = {name: next(iter(names)) for name in ("kind", "queue") for names in getattr(query, name) if len(names) == 1}
    period = next((name for name, (length, _) in stats.PERIODS.items() if age <= length + stats.MINUTE), "30d")
    if "queue" in named and period == "30d":  # queues are counted by the minute only
        period = "24h"
    shown = text
    for name in ("since", "until", "ended"):
        shown = edited(shown, name)
    apps, own = unseen.apps_of(query.in_every_app()), unseen.means_own(query)
    if not own:
        named.pop("queue", None)  # nothing counts by queue there
    of = "".join(
        f" {words} {named[name]}" for name, words in (("kind", "of kind"), ("queue", "in queue")) if name in named
    )
    if "queue" in named:
        drawn = bars.draw(series.of(period, **named), shown)
    else:
        drawn = charts.of(apps, period, shown, own=own, **named)
    where = f" in {', '.join(apps)}" if apps and not own else ""
    return drawn | {"title": f"Ended{where}{of}, {LENGTHS[period]}"}


def export_url(form: str, text: str, query: Query) -> str:
    """Where the API sends this search as a file, of all applications as the page shows it; its times are moments, as
    the reader meant them."""
    address = reverse("api:export", kwargs={"version": versions.NEWEST})
    everything = {} if query.app or not board.watched() else {"app": EVERY_APP}
    return f"{address}?{urlencode({'format': form, **everything, **pin_times(text, query)}, doseq=True)}"


def spelt(value: str) -> str:
    """The value of an address as one would type it: alternatives stay alternatives, a name with spaces is quoted."""
    return value if value.startswith('"') else ",".join(quoted(part) for part in value.split(",") if part)


def matching(query: Query) -> str:
    """The search as JSON, if a page can compare it with a new job's summary; else nothing."""
    unseen = (query.words, query.args, query.error, query.took, query.worker, query.release, query.without)
    unseen += (
        query.until,
        query.ended,
        query.succeeded,
        query.failed,
        query.cancelled,
        query.id,
        query.bulk,
        query.batch,
    )
    if any(unseen) or query.failure is not None:
        return ""
    sets = {name: [sorted(values) for values in getattr(query, name)] for name in ("state", "kind", "queue", "owner")}
    sets["app"] = [
        [None if name == OWN else name for name in sorted(names)] for names in query.app if EVERY_APP not in names
    ]
    ids = {name: str(getattr(query, name)) for name in ("parent", "schedule") if getattr(query, name)}
    return json.dumps(sets | {name: [[value]] for name, value in ids.items()})

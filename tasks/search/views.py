"""The Jobs page: one box, what it finds a page at a time, and bulk actions on all of it.

What is asked for stands in the address alone, so it can be shared and the back button works.
"""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from tasks.access.permissions import may, visible
from tasks.engine import registry
from tasks.engine.models import Job, Queue, State, instant
from tasks.search import bulk, finder
from tasks.search.bulk import actions_for
from tasks.search.language import FILTERS, Query, edited, read
from tasks.web.links import bulk_url, jobs_url, quoted
from tasks.web.pages import Page, uid_or_404

PAGE = 50
OWNERS = 200  # that are suggested
AGES = ("15m", "1h", "24h", "7d", "30d")


class JobsView(Page):
    """All jobs that match, newest first, by keyset: page after page costs the same."""

    template_name = "search/jobs.html"
    here = "jobs"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """``?state=failed`` and the like, as links elsewhere have them, lead to the same in the box."""
        named = [f"{name}:{spelt(value)}" for name in FILTERS for value in request.GET.getlist(name) if value]
        if named:
            return redirect(jobs_url(" ".join([*named, request.GET.get("q", "")]).strip()))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user, text = self.request.user, self.request.GET.get("q", "").strip()
        query, errors = read(text, user.get_username())
        found = self.find(query) if query else None
        possible = actions_for(user, query) if query and may(user, "bulk") else []
        return super().get_context_data(
            text=text,
            errors=errors,
            words=list(suggested()),
            states=[("All", jobs_url(edited(text, "state")), bool(query) and not query.state), *in_states(text, query)],
            jobs=[job.summary() for job in found.jobs] if found else [],
            **(self.onward(text, found) if found else {}),
            first=not {"older", "newer"} & self.request.GET.keys(),
            painted=instant(timezone.now()),
            match=matching(query) if query else "",
            bulk=[(bulk.WORDS[action], bulk_url(action, text)) for action in possible],
            may_pick=may(user, "cancel") or may(user, "retry"),
            **context,
        )

    def find(self, query: Query) -> finder.SearchResult:
        at = {name: finder.key_of(uid_or_404(self.request.GET[name])) for name in self.asked_from()}
        return finder.find(query, visible(self.request.user, Job.objects.all()), **at, limit=PAGE)

    def asked_from(self) -> list[str]:
        return [name for name in ("older", "newer") if self.request.GET.get(name)][:1]

    def onward(self, text: str, found: finder.SearchResult) -> dict[str, Any]:
        """Where this page is left: to more of what was found, or to rows that nobody has looked at yet."""
        last = found.jobs[-1].pk if found.jobs else None
        uids = dict(Job.objects.filter(pk__in=[key for key in found[1:3] if key]).values_list("pk", "uid"))
        older = jobs_url(text, older=uids[found.older]) if found.older in uids else ""
        return {
            "older": older,
            "unlooked": bool(older) and found.older != last,
            "back_to": instant(found.back_to),
            "newer": jobs_url(text, newer=uids[found.newer]) if found.newer in uids else "",
        }


def in_states(text: str, query: Query | None) -> Iterator[tuple[str, str, bool]]:
    """A link for each state: name, address of this very search in that state, and whether that is what is shown."""
    chosen = query.state[0] if query and query.state else frozenset()
    for state in State:
        yield state.label, jobs_url(edited(text, "state", state)), chosen == {state}


def spelt(value: str) -> str:
    """The value of an address as one would type it: alternatives stay alternatives, a name with spaces is quoted."""
    return value if value.startswith('"') else ",".join(quoted(part) for part in value.split(",") if part)


def suggested() -> Iterator[tuple[str, str]]:
    """What one may want to type, with what it means; it comes with the page, so typing asks nobody."""
    yield from ((f"{name}:", about) for name, about in ABOUT.items())
    yield from ((f"state:{state}", "state") for state in State.values)
    yield from ((f"kind:{quoted(kind.name)}", "kind") for kind in registry.kinds())
    queues = {*registry.queues(), *Queue.objects.values_list("name", flat=True)}
    yield from ((f"queue:{quoted(queue)}", "queue") for queue in sorted(queues))
    yield "owner:me", "your own"
    name_field = get_user_model().USERNAME_FIELD
    owners = get_user_model().objects.filter(Exists(Job.objects.filter(owner=OuterRef("pk")))).order_by(name_field)
    yield from ((f"owner:{quoted(name)}", "owner") for name in owners.values_list(name_field, flat=True)[:OWNERS])
    yield from ((f"{name}:{age}", f"{name} this long ago") for name in ("since", "until") for age in AGES)


def matching(query: Query) -> str:
    """The search as JSON, if a page can hold a new job's summary against it; else nothing."""
    unseen = (query.words, query.until, query.succeeded, query.failed, query.cancelled, query.id, query.bulk)
    if any(unseen) or query.failure is not None:
        return ""
    sets = {name: [sorted(values) for values in getattr(query, name)] for name in ("state", "kind", "queue", "owner")}
    ids = {name: str(getattr(query, name)) for name in ("parent", "schedule") if getattr(query, name)}
    return json.dumps(sets | {name: [[value]] for name, value in ids.items()})


ABOUT = {
    "state": "one of the seven states",
    "kind": "name of a kind",
    "queue": "name of a queue",
    "owner": "user name, or me",
    "since": "made since: 30m, 2h, 7d, a date or a time",
    "until": "made before",
    "succeeded": "succeeded since: 1h, a date or a time",
    "failed": "failed since, even if it was tried again",
    "cancelled": "cancelled since, even if it was tried again",
    "id": "an id, or its first digits",
    "parent": "id of the job that made it",
    "schedule": "id of the schedule that made it",
    "bulk": "id of the bulk action that cancelled it",
    "failure": "key of a group of failures",
}

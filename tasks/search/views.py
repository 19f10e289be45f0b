"""The Jobs page: one box, what it finds a page at a time, and bulk actions on all of it.

What is asked for stands in the address alone, so it can be shared and the back button works.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from tasks import audit, bulk, finding, lifecycle, registry, wording
from tasks.access import may, visible
from tasks.models import Job, Queue, State, instant
from tasks.search import FILTERS, Query, SearchError, edited
from tasks.views import Page, once_for, uid_or_404

PAGE = 50
OWNERS = 200  # that are suggested
AGES = ("15m", "1h", "24h", "7d", "30d")


class JobsView(Page):
    """All jobs that match, newest first, by keyset: page after page costs the same."""

    template_name = "jobs/jobs.html"
    here = "jobs"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """``?state=failed`` and the like, as links elsewhere have them, lead to the same in the box."""
        named = [f"{name}:{value}" for name in FILTERS for value in request.GET.getlist(name) if value]
        if named:
            return redirect(jobs_url(" ".join([*named, request.GET.get("q", "")]).strip()))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user, text = self.request.user, self.request.GET.get("q", "").strip()
        query, errors = read(text, user.get_username())
        found = self.find(query) if query else None
        deeds = deeds_for(user, query) if query and may(user, "bulk") else []
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
            bulk=[(bulk.WORDS[action], bulk_url(action, text)) for action in deeds],
            may_pick=may(user, "cancel") or may(user, "retry"),
            **context,
        )

    def find(self, query: Query) -> finding.Found:
        at = {name: finding.key_of(uid_or_404(self.request.GET[name])) for name in self.asked_from()}
        return finding.find(query, visible(self.request.user, Job.objects.all()), **at, limit=PAGE)

    def asked_from(self) -> list[str]:
        return [name for name in ("older", "newer") if self.request.GET.get(name)][:1]

    def onward(self, text: str, found: finding.Found) -> dict[str, Any]:
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


class BulkView(Page):
    """What would be done to everything that matches: counted and told first, done by a job when it is sent."""

    template_name = "jobs/bulk.html"
    here = "jobs"
    action = "bulk"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.shown(request.GET)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        asked, query, errors = self.asked(request.POST)
        if errors:
            return self.shown(request.POST, status=422)
        params = {"action": asked, "filter": pinned(request.POST["q"].strip(), query)}
        job, _ = audit.do(
            request,
            "bulk",
            lambda done: done[0].uid,
            lambda: lifecycle.submit(
                "bulk_action",
                params,
                owner=request.user,
                idempotency_key=once_for(request.POST.get("once", ""), params),
            ),
            **params,
        )
        messages.info(request, f"This job does it: {bulk.WORDS[asked].lower()} {wording.told(query)}.")
        return redirect("job", job.uid)

    def asked(self, given: Any) -> tuple[str, Query | None, list[str]]:
        action, text = given.get("action", ""), given.get("q", "").strip()
        if action not in bulk.DEEDS:
            raise Http404("There is no such action.")
        query, errors = read(text, self.request.user.get_username())
        if query and query.is_everything:
            errors = ["Give at least one filter, such as state:failed: all jobs at once is too much."]
        return action, query, errors

    def shown(self, given: Any, status: int = 200) -> HttpResponse:
        action, query, errors = self.asked(given)
        count, exact = (0, True)
        if not errors:
            wanted = bulk.narrowed(action, query)
            count, exact = bulk.count(self.request.user, action, wanted)
        context = self.get_context_data(
            deed=action,
            verb=bulk.WORDS[action],
            text=given.get("q", "").strip(),
            told=wording.told(query) if query else "",
            errors=errors,
            count=count,
            exact=exact,
            once=str(uuid4()),
            back=jobs_url(given.get("q", "").strip()),
        )
        return self.render_to_response(context, status=status)


def deeds_for(user: Any, query: Query) -> list[str]:
    """The bulk actions that may be done to what is looked for, and that can mean any of it.

    A cancel is taken back where cancelled jobs are looked for, and nothing else: it is no choice for every day.
    """
    if query.is_everything:
        return []
    states = frozenset(State.values) if query.states is None else query.states
    meant = [action for action in bulk.DEEDS if may(user, action) and states & bulk.STATES[action]]
    return [action for action in meant if action != "take_back" or states == bulk.STATES[action]]


def read(text: str, me: str) -> tuple[Query | None, list[str]]:
    """The search that was typed, or what is wrong with it."""
    try:
        return Query.of({"q": [text]}, me, timezone.localtime()), []
    except SearchError as error:
        return None, list(error.errors.values())


def pinned(text: str, query: Query) -> dict[str, list[str]]:
    """The search as a job can take it later and elsewhere: its times are moments, whatever zone they were typed in."""
    moments = {name: [instant(at)] for name in ("since", "until") if (at := getattr(query, name))}
    for name in moments:
        text = edited(text, name)
    return {**({"q": [text]} if text else {}), **moments}


def jobs_url(text: str, **at: UUID) -> str:
    query = {**({"q": text} if text else {}), **at}
    return f"{reverse('jobs')}?{urlencode(query)}" if query else reverse("jobs")


def bulk_url(action: str, text: str) -> str:
    return f"{reverse('bulk')}?{urlencode({'action': action, 'q': text})}"


def in_states(text: str, query: Query | None) -> Iterator[tuple[str, str, bool]]:
    """A link for each state: name, address of this very search in that state, and whether that is what is shown."""
    chosen = query.state[0] if query and query.state else frozenset()
    for state in State:
        yield state.label, jobs_url(edited(text, "state", state)), chosen == {state}


def suggested() -> Iterator[tuple[str, str]]:
    """What one may want to type, with what it means; it comes with the page, so typing asks nobody."""
    yield from ((f"{name}:", about) for name, about in ABOUT.items())
    yield from ((f"state:{state}", "state") for state in State.values)
    yield from ((f"kind:{quoted(kind.name)}", "kind") for kind in registry.kinds())
    queues = {*registry.queues(), *Queue.objects.values_list("name", flat=True)}
    yield from ((f"queue:{quoted(queue)}", "queue") for queue in sorted(queues))
    yield "owner:me", "your own"
    owners = get_user_model().objects.filter(Exists(Job.objects.filter(owner=OuterRef("pk")))).order_by("username")
    yield from ((f"owner:{quoted(name)}", "owner") for name in owners.values_list("username", flat=True)[:OWNERS])
    yield from ((f"{name}:{age}", f"{name} this long ago") for name in ("since", "until") for age in AGES)


def quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def matching(query: Query) -> str:
    """The search as JSON, if a page can hold a new job's summary against it; else nothing."""
    if query.words or query.until or query.id or query.bulk or query.failure is not None:
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
    "id": "an id, or its first digits",
    "parent": "id of the job that made it",
    "schedule": "id of the schedule that made it",
    "bulk": "id of the bulk action that cancelled it",
    "failure": "key of a group of failures",
}

"""The page of a bulk action: what would be done is counted and said first, and done by a job when it is sent."""

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from tasks.access import actions
from tasks.access.permissions import Actor
from tasks.access.quotas import TooMany
from tasks.engine.models import instant
from tasks.search import bulk, wording
from tasks.search.language import MOMENTS, Query, edited, read, taken_for_words
from tasks.web.links import jobs_url
from tasks.web.pages import Page


class BulkView(Page):
    """What would be done to everything that matches: counted and described first, done by a job when it is sent."""

    template_name = "search/bulk.html"
    here = "jobs"
    action = "bulk"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.shown(request.GET)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        asked, query, errors = self.asked(request.POST)
        if errors:
            return self.shown(request.POST, status=422)
        filters = pin_times(request.POST["q"].strip(), query)
        key = actions.key_of_form(request.POST.get("once", ""), {"action": asked, "filter": filters})
        try:
            job, _ = actions.bulk(Actor.of(request), asked, filters, key=key)
        except TooMany as many:
            messages.error(request, f"Not started: {many} Try again in {many.wait_s} s.")
            return redirect(jobs_url(request.POST["q"].strip()))
        messages.info(request, f"{bulk.DOING[asked]} {wording.describe_query(query)}.")
        return redirect("job", job.uid)

    def asked(self, given: Any) -> tuple[str, Query | None, list[str]]:
        action, text = given.get("action", ""), given.get("q", "").strip()
        if action not in bulk.ACTIONS:
            raise Http404("There is no such action.")
        query, errors = read(text, self.request.user.get_username())
        if query and (unsure := taken_for_words(text)):
            errors = unsure
        if query and (said := bulk.why_not(action, query)):
            errors = [said]
        if query and query.is_everything:
            errors = ["Give at least one filter, such as state:failed: all jobs at once is too much."]
        return action, query, errors

    def shown(self, given: Any, status: int = 200) -> HttpResponse:
        action, query, errors = self.asked(given)
        count, exact = (0, True)
        if not errors:
            wanted = bulk.narrow_to_action(action, query)
            count, exact = bulk.count(self.request.user, action, wanted)
        context = self.get_context_data(
            action=action,
            verb=bulk.WORDS[action],
            text=given.get("q", "").strip(),
            described=wording.describe_query(query) if query else "",
            errors=errors,
            count=count,
            exact=exact,
            once=str(uuid4()),
            back=jobs_url(given.get("q", "").strip()),
        )
        return self.render_to_response(context, status=status)


def pin_times(text: str, query: Query) -> dict[str, list[str]]:
    """The search as a job can take it later and elsewhere: its times are moments, whatever zone they were typed in."""
    moments = {name: [instant(at)] for name in MOMENTS if (at := getattr(query, name))}
    if query.ended:
        moments["ended"] = ["..".join(instant(at) if at else "" for at in query.ended)]
    for name in moments:
        text = edited(text, name)
    return {**({"q": [text]} if text else {}), **moments}

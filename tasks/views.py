"""The pages, and the forms that submit. Thin: `picture` says what is, `lifecycle` does what is asked, `access` allows.

What people do to jobs that are there stands in `tasks.deeds`.
"""

import hashlib
import json
import zoneinfo
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.generic import TemplateView
from django.views.generic.base import ContextMixin

from tasks import audit, gauges, lifecycle, picture, quotas, registry, troubles
from tasks.access import Actor, may, may_submit
from tasks.forms import KindForm
from tasks.models import Job
from tasks.templatetags.signalbox import NIL


class Link(NamedTuple):
    """A page of rows that kinds and people keep, and what one must be allowed to open it."""

    name: str
    action: str
    label: str = ""  # in the menu, where it is not the name
    first: bool = False  # in the bar itself, where there is room


SECTIONS = {"running": "running", "queued": "queued", "retrying": "retrying"} | dict.fromkeys(Job.FINAL, "finished")
FURTHER = [
    Link("failures", "see_rows", first=True),
    Link("charts", "page", first=True),
    Link("schedules", "see_schedules"),
    Link("alerts", "see_rows"),
    Link("feeds", "see_rows"),
    Link("collections", "see_rows", "images"),
    Link("checks", "see_rows"),
    Link("webhooks", "see_webhooks"),
    Link("self-test", "submit", "self test"),
]
CANCELLED = "cancelled"  # in the session: jobs that may be taken back on the next page
ELSEWHERE = {"bulk_action", "match_part"}  # asked for where one sees what they would act on


@cache
def modules() -> list[str]:
    """All scripts, so that a page asks for them before it finds out that it needs them, and never later."""
    return sorted(f"js/{path.name}" for path in (settings.BASE_DIR / "static/js").glob("*.js"))


class Allowed(LoginRequiredMixin):
    """Only for those who may do ``action``; and in the reader's own time zone, if a cookie tells it."""

    action = "page"
    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if self.action != "page":
            request.acted = self.action  # what the audit trail calls it, should it be refused
        if request.user.is_authenticated and not may(request.user, self.action):
            raise PermissionDenied
        self.activate_zone(request.COOKIES.get("signalbox_zone", ""))
        return super().dispatch(request, *args, **kwargs)

    def activate_zone(self, name: str) -> None:
        try:
            timezone.activate(zoneinfo.ZoneInfo(name.replace("%2F", "/")))
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            timezone.deactivate()


class Shown(Allowed, ContextMixin):
    """What all pages show; goes before one of Django's generic views."""

    here = ""

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            here=self.here,
            environment=settings.SIGNALBOX_ENVIRONMENT,
            environment_is_production=settings.SIGNALBOX_ENVIRONMENT.lower().startswith("prod"),
            modules=modules(),
            nil=NIL,
            zone=timezone.get_current_timezone_name(),
            may_submit=may(self.request.user, "submit"),
            may_audit=may(self.request.user, "audit"),
            cancelled_just_now=self.request.session.pop(CANCELLED, []),
            further=[page for page in FURTHER if may(self.request.user, page.action)],
            **context,
        )

    def form_invalid(self, form: Any) -> HttpResponse:
        """A form that was filled in wrongly is shown again, and the answer says that nothing was done."""
        return self.render_to_response(self.get_context_data(form=form), status=422)


class Page(Shown, TemplateView):
    """A page that is no list and no form of rows."""


class BoardView(Page):
    template_name = "jobs/board.html"
    here = "board"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        board = picture.board()
        sections: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS.values()}
        for job in board["jobs"]:
            sections[SECTIONS[job["state"]]].append(job)
        now = board["stats"]["now"]
        user = self.request.user
        return super().get_context_data(
            sections=sections,
            totals={name: total(len(jobs), now.get(name, 0)) for name, jobs in sections.items()},
            stats=board["stats"],
            by_queue={
                queue["name"]: {"running": queue["running"], "waiting": queue["queued"]} for queue in board["queues"]
            },
            by_kind=gauges.kinds(),
            kinds=offered(user),
            may_pick=may(user, "cancel") or may(user, "retry"),
            **troubles.shown(board),
            **context,
        )


def total(shown: int, known: int) -> str:
    return f"{shown} of {known}" if known > shown else str(shown)


def offered(user: Any) -> list[registry.Kind]:
    """The kinds that this person may submit by a form, chores last."""
    kinds = [kind for kind in registry.kinds() if kind.name not in ELSEWHERE and may_submit(user, kind)]
    return sorted(kinds, key=lambda kind: kind.quiet)


class SubmitView(Page):
    """Choose a kind. ``?kind=`` goes straight to its form."""

    template_name = "jobs/submit.html"
    here = "submit"
    action = "submit"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if kind := request.GET.get("kind"):
            return redirect("submit-kind", kind)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(kinds=offered(self.request.user), **context)


class SubmitKindView(SubmitView):
    """The form of one kind. Wrong input comes back as it was typed, with nothing queued."""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        try:
            self.kind = registry.get(kwargs["kind"])
        except registry.UnknownKind as unknown:
            raise Http404(str(unknown)) from None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not may_submit(request.user, self.kind):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        copied = self.original(request.GET.get("copy", ""))
        return self.shown(self.form(copied=copied.params if copied else None), str(uuid4()), copied)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # The zone the form was painted in, which is not the reader's own on the very first page.
        self.activate_zone(request.POST.get("zone", ""))
        form, once = self.form(request.POST), request.POST.get("once", "")
        copied = self.original(request.POST.get("copy", ""))
        if not form.is_valid():
            form.focus_first_wrong()
            return self.shown(form, once, copied, status=422)
        try:
            quotas.check(Actor.of(request))
        except quotas.TooMany as many:
            form.add_error(None, f"{many} Try again in {many.wait_s} s.")
            answer = self.shown(form, once, copied, status=429)
            answer["Retry-After"] = str(many.wait_s)
            return answer
        order = {name: form.cleaned_data.get(name) for name in ("priority", "due_at")}
        key = once_for(once, self.kind.name, form.params, order)
        job, created = audit.do(
            request,
            "submit",
            lambda done: done[0].uid,
            lambda: lifecycle.submit(
                self.kind.name, form.params, owner=request.user, copy_of=copied, idempotency_key=key, **order
            ),
            kind=self.kind.name,
        )
        if not created:
            messages.info(request, "This form was sent before: here is the job it made.")
        return redirect("job", job.uid)

    def form(self, data: Any = None, **options: Any) -> KindForm:
        return KindForm(self.kind, data, may_order=may(self.request.user, "order"), **options)

    def shown(self, form: KindForm, once: str, copied: Job | None, status: int = 200) -> HttpResponse:
        context = self.get_context_data(form=form, once=once, copied=copied and str(copied.uid))
        return self.render_to_response({**context, "kind": self.kind}, status=status)

    def original(self, uid: str) -> Job | None:
        """The job that is run again, if it is of this kind and may be seen."""
        job = Job.objects.filter(uid=uid_or_404(uid), kind=self.kind.name).first() if uid else None
        return job if job and may(self.request.user, "see", job) else None


def once_for(once: str, *asked: Any) -> str | None:
    """One form, sent twice, is one job; sent again with other values, it is another."""
    if not once:
        return None
    return f"form:{once[:40]}:{hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()}"


def known(name: str) -> registry.Kind | None:
    try:
        return registry.get(name)
    except registry.UnknownKind:
        return None


def uid_or_404(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404("That is no job's id.") from None

"""Base classes of pages: permission, menu and the context that all pages share."""

import zoneinfo
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.views.generic import TemplateView
from django.views.generic.base import ContextMixin

from tasks.access import actions
from tasks.access.permissions import Actor, may
from tasks.access.quotas import TooMany
from tasks.engine import registry
from tasks.engine.models import Job
from tasks.web import features
from tasks.web.templatetags.signalbox import NIL

CANCELLED = "cancelled"  # in the session: jobs that may be taken back on the next page


@cache
def modules() -> list[str]:
    """All scripts. A page preloads them, so that none is requested only when another one imports it."""
    static = settings.BASE_DIR / "static"
    return sorted(f"{path.relative_to(static)}" for path in static.glob("js/**/*.js") if path.parent.name != "alone")


def wants_json(request: HttpRequest, instead_of: str = "text/html") -> bool:
    """Whether the client would rather have JSON than the other media type."""
    return request.get_preferred_type([instead_of, "application/json"]) == "application/json"


class Allowed(LoginRequiredMixin):
    """Requires the permission ``action``, and activates the reader's time zone if a cookie names it."""

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


class PageContext(Allowed, ContextMixin):
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
            further=[link for link in features.links() if may(self.request.user, link.action)],
            **context,
        )

    def form_invalid(self, form: Any) -> HttpResponse:
        """Show an invalid form again with status 422, so that programs see that nothing was done."""
        return self.render_to_response(self.get_context_data(form=form), status=422)


class Page(PageContext, TemplateView):
    """A page that is no list and no form of rows."""


def submit_and_say(request: HttpRequest, kind: str, sentence: str, **params: Any) -> Job | None:
    """Submit a job for the user of a form and add a message. Returns None, with another message, over the quota."""
    try:
        job, _ = actions.submit(Actor.of(request), kind, params)
    except TooMany as many:
        messages.error(request, f"{many} Try again in {many.wait_s} s.")
        return None
    messages.info(request, sentence)
    return job


def kind_or_404(name: str) -> registry.Kind:
    try:
        return registry.get(name)
    except registry.UnknownKind as unknown:
        raise Http404(str(unknown)) from None


def uid_or_404(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404("That is no job's id.") from None

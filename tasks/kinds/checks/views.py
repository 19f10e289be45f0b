"""The pages of checks: each service with a strip of its last checks."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.generic import DetailView, ListView, View

from tasks.access import audit
from tasks.access.permissions import may
from tasks.engine.words import number_of
from tasks.kinds.checks.models import Observation, Service
from tasks.web.pages import Allowed, PageContext, submit_and_say, uid_or_404

STRIP = 60  # checks in a strip
SERVICES, ROWS = 30, 100  # on one page
TALL, SLOW_S = 28, 5.0  # a bar's greatest height, and the seconds that it stands for


class CheckPage(PageContext):
    here = "checks"
    action = "see_rows"
    model = Service
    slug_field = slug_url_kwarg = "uid"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        return super().get_context_data(
            may_change=may(user, "change_rows"), may_schedule=may(user, "change_schedules"), **context
        )


class ServiceList(CheckPage, ListView):
    template_name = "kinds/checks/list.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        services = Service.objects.order_by("-id")
        if before := self.request.GET.get("before"):
            services = services.filter(id__lt=get_object_or_404(Service, uid=uid_or_404(before)).pk)
        found = list(services[: SERVICES + 1])
        shown = [(service, strip(service.latest(STRIP))) for service in found[:SERVICES]]
        more = f"before={found[SERVICES - 1].uid}" if len(found) > SERVICES else ""
        return super().get_context_data(services=shown, more=more, **context)


class ServiceDetail(CheckPage, DetailView):
    template_name = "kinds/checks/service.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        latest = self.object.latest(ROWS)
        return super().get_context_data(strip=strip(latest[-STRIP:]), observations=latest[::-1], **context)


class CheckNow(Allowed, View):
    action = "submit"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: Any) -> HttpResponse:
        service = get_object_or_404(Service, uid=uid)
        submit_and_say(request, "check_health", "A check was queued.", url=service.url)
        return redirect("check", service.uid)


class Forget(Allowed, View):
    """The service and its history; the next check of its address begins a new one."""

    action = "change_rows"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: Any) -> HttpResponse:
        service = get_object_or_404(Service, uid=uid)
        audit.do(request, "change_rows", f"service {service.uid}", service.delete, deleted=service.url)
        messages.info(request, f"The history of {service.url} was deleted.")
        return redirect("checks")


def strip(observations: list[Observation]) -> dict[str, Any]:
    """Bars as an SVG draws them, the newest at the right, and what they say in words."""
    ups = sum(seen.up for seen in observations)
    first = STRIP - len(observations)
    bars = [
        {"x": 6 * (first + i), "height": (tall := height(seen)), "y": TALL - tall, "seen": seen}
        for i, seen in enumerate(observations)
    ]
    words = (
        f"{ups} of the last {number_of(len(observations), 'check')} found it up" if observations else "not checked yet"
    )
    return {"bars": bars, "width": 6 * STRIP - 2, "height": TALL, "words": words}


def height(seen: Observation) -> int:
    """The slower the taller; what is down is as tall as can be."""
    return TALL if not seen.up else max(3, min(TALL, round(TALL * (max(0.0, seen.seconds) / SLOW_S) ** 0.5)))

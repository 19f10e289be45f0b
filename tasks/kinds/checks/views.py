"""The pages of checks: each service with a strip of its last checks."""

from typing import Any

from django.views.generic import DetailView, ListView

from tasks.engine.words import number_of
from tasks.kinds.checks.models import Observation, Service
from tasks.web.pages import submit_and_say
from tasks.web.rows import RowAction, RowPage, newest

STRIP = 60  # checks in a strip
SERVICES, ROWS = 30, 100  # on one page
TALL, SLOW_S = 28, 5.0  # a bar's greatest height, and the seconds that it stands for


class CheckPage(RowPage):
    here, noun = "checks", "check"
    action = "see_rows"
    rights = {"may_change": "change_rows", "may_schedule": "change_schedules"}
    model = Service


class ServiceList(CheckPage, ListView):
    template_name = "kinds/checks/list.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found, more = newest(self.request, Service.objects.all(), SERVICES)
        shown = [(service, strip(service.latest(STRIP))) for service in found]
        return super().get_context_data(services=shown, more=more, **context)


class ServiceDetail(CheckPage, DetailView):
    template_name = "kinds/checks/service.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        latest = self.object.latest(ROWS)
        return super().get_context_data(strip=strip(latest[-STRIP:]), observations=latest[::-1], **context)


class CheckNow(RowAction):
    noun, action = "check", "submit"
    rows = Service.objects.all()

    def do(self, service: Service) -> None:
        submit_and_say(self.request, "check_health", "A check was queued.", url=service.url)


class Forget(RowAction):
    """The service and its history; the next check of its address begins a new one."""

    here, noun, action = "checks", "service", "change_rows"
    rows = Service.objects.all()

    def do(self, service: Service) -> str:
        self.audited(service.delete, service, deleted=service.url)
        return f"The history of {service.url} was deleted."


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

"""Pages of watched applications: what is known of each, its workers and queues, and what admins ask of them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.generic import View

from tasks.access.permissions import Actor, may
from tasks.api.problems import Problem
from tasks.engine.errors import Refused
from tasks.observe import charts, knowledge, shown, watched
from tasks.observe.api import placed
from tasks.observe.forms import OrderForm
from tasks.observe.models import GAPS_SHOWN, App
from tasks.web.pages import Allowed, Page

WORKERS = 200


class AppsView(Page):
    template_name = "observe/apps.html"
    here = "apps"
    action = "board"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        apps = [each | watched.about(each["name"]) for each in watched.apps()]
        return super().get_context_data(apps=apps, **context)


class AppView(Page):
    template_name = "observe/app.html"
    here = "apps"
    action = "board"
    periods = {"1h": "Last hour", "24h": "Last day", "30d": "Last 30 days"}

    def get_context_data(self, app: str, form: OrderForm | None = None, **context: Any) -> dict[str, Any]:
        found = get_object_or_404(App, name=app)
        workers = list(found.workers.order_by("stopped_at", "name", "-seen_at")[:WORKERS])
        may_steer = may(self.request.user, "steer")
        forms = [form if form and form.group == group else OrderForm(found, group) for group in OrderForm.groups]
        return super().get_context_data(
            app=found,
            sentences=knowledge.coverage(found, workers),
            workers=[shown.worker(found, worker) for worker in workers],
            queues=shown.queues(found),
            gaps=found.gaps.order_by("-until", "-id")[:GAPS_SHOWN],
            orders=shown.orders(found.name),
            **self.charts(found),
            forms=forms if may_steer and found.watched else [],
            wrong=form.group if form else "",
            may_purge=may(self.request.user, "purge") and found.watched,
            **context,
        )

    def charts(self, app: App) -> dict[str, Any]:
        period = self.request.GET.get("period", "1h")
        if period not in self.periods:
            raise Http404("Unknown period.")
        chart = charts.of([app.name], period, f"app:{app.name}")
        return {
            "chart": chart,
            "unseen": sum(gap["unseen"] for gap in chart["gaps"]),
            "kinds": charts.kinds(app, period),
            "period": period,
            "periods": self.periods.items(),
        }  # fmt: skip


class OrderView(Allowed, View):
    """One order for the workers of an application."""

    action = "steer"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, app: str, group: str) -> HttpResponse:
        found = get_object_or_404(App, name=app)
        if group not in OrderForm.groups:
            raise Http404("There is no such order.")
        form = OrderForm(found, group, request.POST)
        if form.is_valid():
            given = form.given()
            try:
                placed(Actor.of(request), app, given.pop("order"), given)
            except Problem as wrong:
                for name, said in wrong.more.get("errors", {}).items():
                    form.add_error(name if name in form.fields else None, said)
            except Refused as refused:
                form.add_error(None, str(refused))
            else:
                messages.info(request, "Asked. The answers stand below, within a second.")
                return redirect("app", app)
        page = AppView(request=request, kwargs={"app": app})
        return page.render_to_response(page.get_context_data(app=app, form=form), status=422)


class PurgeView(Allowed, View):
    """Deletes all messages that wait in a queue, after its name was typed."""

    action = "purge"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, app: str, queue: str) -> HttpResponse:
        found = get_object_or_404(App, name=app)
        if not may(request.user, "purge"):
            raise PermissionDenied
        if request.POST.get("name", "") != queue:
            messages.error(request, f"Nothing was deleted: the name that was typed is not {queue}.")
            return redirect("app", app)
        try:
            placed(Actor.of(request), found.name, "purge", {"queue": queue})
        except Refused as refused:
            messages.error(request, str(refused))
        else:
            messages.info(request, f"Asked: all messages that wait in {queue} will be deleted.")
        return redirect("app", app)

"""The pages about Signalbox itself: queues and workers, with what people do to a queue; charts."""

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.dateparse import parse_datetime
from django.views.generic import View

from tasks.access import audit
from tasks.access.permissions import may
from tasks.engine import notify
from tasks.monitor import models
from tasks.observe import shown
from tasks.queries import board as picture
from tasks.queries import diagnosis, plots, stats
from tasks.web.pages import Allowed, Page, wants_json

MARKS = 20  # changes of release that a chart marks


class WorkersView(Page):
    template_name = "monitor/workers.html"
    here = "workers"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        board, times = picture.board(), stats.queues()
        known = {job["id"]: job for job in board["jobs"]}
        for worker in board["workers"]:
            worker["jobs"] = [known.get(job, {"id": job}) for job in worker["running"]]
        for queue in board["queues"]:
            queue["times"] = times.get(queue["name"], {})
        return super().get_context_data(
            workers=board["workers"],
            queues=board["queues"],
            may_pause=may(self.request.user, "pause"),
            watched=bool(settings.SIGNALBOX_OBSERVE),
            watched_workers=shown.workers(),
            watched_queues=shown.every_queue(),
            **diagnosis.diagnosis_context(board),
            **context,
        )


def releases_since(at: str) -> list[dict[str, Any]]:
    moment = parse_datetime(at)
    return models.since(moment)[-MARKS:] if moment else []


class ChartsView(Page):
    """What finished in the last hour, day or month, and how long jobs waited and ran. ``?period=`` as the API's."""

    template_name = "monitor/charts.html"
    here = "charts"
    periods = {"1h": "Last hour", "24h": "Last day", "30d": "Last 30 days"}
    each = {"1h": "minute by minute", "24h": "each 15 minutes", "30d": "each 12 hours"}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        period = self.request.GET.get("period", "1h")
        if period not in stats.PERIODS:
            raise Http404("Unknown period.")
        chart = plots.chart(period)
        return super().get_context_data(
            chart=chart,
            drawn=chart["drawn"],
            width=len(chart["buckets"]),
            step_s=int(stats.PERIODS[period][1].total_seconds()),
            releases=plots.release_marks(chart["buckets"], releases_since(chart["buckets"][0]["at"])),
            period=period,
            periods=self.periods.items(),
            each=self.each[period],
            apps=sorted(settings.SIGNALBOX_OBSERVE),
            **context,
        )


class PauseView(Allowed, View):
    """Pause a queue: none of its jobs starts until somebody resumes it. Running jobs go on."""

    action = "pause"
    http_method_names = ["post"]
    paused = True

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        if name not in {queue["name"] for queue in picture.queues()}:
            raise Http404("There is no such queue.")
        change = partial(notify.pause, name, request.user) if self.paused else partial(notify.resume, name)
        audit.do(request, "pause", f"queue {name}", change, paused=self.paused)
        if wants_json(request):
            return JsonResponse(next(queue for queue in picture.queues() if queue["name"] == name))
        messages.info(request, f"Queue {name} {'is paused' if self.paused else 'resumed'}.")
        return redirect("workers")

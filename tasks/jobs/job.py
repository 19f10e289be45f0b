"""A job's page, and what it asks for later: a long value, a traceback, earlier log lines, the log as a file.

Read-only; what people do to a job stands in ``tasks.jobs.action_views``.
"""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_vary_headers
from django.views.generic import View

from tasks.access.permissions import ELSEWHERE, may, may_make_run, may_submit
from tasks.engine import chains, registry
from tasks.engine.models import Job, LogLine, State
from tasks.jobs import related
from tasks.observe import again, knowledge, shown
from tasks.queries import details
from tasks.search import bulk
from tasks.web import json_tree
from tasks.web.links import bulk_url
from tasks.web.pages import Allowed, Page, wants_json

LEVELS = [level.value for level in LogLine.Level]  # the least urgent first
LINES = 500  # of the log, in one answer
LOOKED = 20_000  # lines that one search in a log reads
CHUNK = 1_000  # lines of a file read at once


def get_visible_job(request: HttpRequest, uid: UUID, *deferred: str) -> Job:
    """The job, if it is there and may be seen."""
    job = get_object_or_404(Job.every.select_related("owner", "cancel_requested_by").defer(*deferred), uid=uid)
    if not may(request.user, "see", job):
        raise PermissionDenied
    return job


class JobView(Page):
    template_name = "jobs/job.html"
    here = "jobs"

    def get_context_data(self, uid: UUID, **context: Any) -> dict[str, Any]:
        job = get_visible_job(self.request, uid)
        user, kind = self.request.user, registry.find(job.kind)
        may_run = kind is None or may_make_run(user, kind)
        return super().get_context_data(
            job=details.detail(job, people=True),
            doc=kind.signature.help if kind else "",
            may_copy=kind is not None and not job.app and kind.name not in ELSEWHERE and may_submit(user, kind),
            has_secrets=bool(job.secrets),
            once=str(uuid4()),
            near=related.of(job),
            serial_key=job.serial_key.partition(":")[2],
            schedule=related.schedule_of(job),
            coming=chains.in_words(job.then) if job.state != State.SUCCEEDED else "",
            cancelled_by=job.cancel_requested_by and job.cancel_requested_by.get_username(),
            cancel_reason=job.cancel_reason,
            may_cancel=may(user, "cancel", job),
            may_retry=may(user, "retry", job) and may_run and not job.app,
            may_take_back=may(user, "take_back", job) and may_run and not job.app,
            take_all_back=self.take_all_back(job),
            outcome=bulk.outcome(job.uid) if job.kind == "bulk_action" and not job.app else None,
            may_share=may(user, "share", job) and not job.app,
            again=again.offer(job) if job.app and may(user, "submit") else None,
            asked=shown.orders(job.app, job.uid) if job.app else [],
            how_known=knowledge.of_task(job) if job.app else [],
            arguments_are_text=bool(job.app) and not knowledge.arguments_are_real(job),
            never_retried=kind is not None and not job.app and not kind.own_retries,
            **context,
        )

    def take_all_back(self, job: Job) -> str:
        """Where the cancels of this bulk action are taken back, if it is one that cancels."""
        cancels = job.kind == "bulk_action" and job.params.get("action") == "cancel"
        allowed = may(self.request.user, "bulk") and may(self.request.user, "take_back")
        return bulk_url("take_back", f"bulk:{job.uid}") if cancels and allowed else ""


class OutcomeView(Page):
    """What became of the jobs that a bulk action has changed: the part of its page that the script reloads."""

    template_name = "jobs/_outcome.html"

    def get_context_data(self, uid: UUID, **context: Any) -> dict[str, Any]:
        return {"outcome": bulk.outcome(get_visible_job(self.request, uid, "params", "result").uid)}


class JobPartView(Allowed, View):
    """A part of a job that its page loads on request."""

    http_method_names = ["get", "head"]

    def text(self, text: str) -> HttpResponse:
        return HttpResponse(text, content_type="text/plain; charset=utf-8")

    def json(self, value: Any) -> HttpResponse:
        return JsonResponse(value, safe=False, json_dumps_params={"ensure_ascii": False})


class ValueView(JobPartView):
    """Parameters or result, or what a JSON pointer (``?at=``) leads to in them: JSON, text, or as the page shows it.

    ``?as=tree`` is for the script of the page; with ``at``, such a tree is whole.
    """

    part = ""

    def get(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        job, pointer = get_visible_job(request, uid), request.GET.get("at")
        value = getattr(job, self.part)
        if self.part == "params":
            value = registry.in_order(job.kind, value)
        try:
            value = json_tree.found(value, pointer or "")
        except json_tree.NoSuchValue:
            raise Http404("There is no such value.") from None
        if request.GET.get("as") == "tree":
            return HttpResponse(json_tree.shown(value, request.path, whole=pointer is not None, pointer=pointer or ""))
        if wants_json(request, "text/plain"):
            answer = self.json(value)
        else:
            answer = self.text(value if isinstance(value, str) else json_tree.format_json(value))
        patch_vary_headers(answer, ["Accept"])
        return answer


class TraceView(JobPartView):
    """The whole traceback of one attempt."""

    def get(self, request: HttpRequest, uid: UUID, number: int) -> HttpResponse:
        attempt = get_visible_job(request, uid, "params", "result").attempts.filter(number=number).first()
        if attempt is None or not attempt.traceback:
            raise Http404("There is no such traceback.")
        return self.text(attempt.traceback)


class LinesView(JobPartView):
    """Log lines before a number, the newest of them, in their order; of a level and up, with a text in them."""

    def get(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        job = get_visible_job(request, uid, "params", "result")
        before, level = request.GET.get("before", ""), request.GET.get("level", "")
        end = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else job.log_seq + 1
        since = max(1, end - LOOKED)
        wanted = Q(seq__lt=end, seq__gte=since)
        if level in LEVELS:
            wanted &= Q(level__in=LEVELS[LEVELS.index(level) :])
        if words := request.GET.get("q", "").replace("\0", "")[:200]:
            wanted &= Q(text__icontains=words)
        found = list(job.log.filter(wanted).order_by("-seq")[:LINES])
        back_to = found[-1].seq if len(found) == LINES else since
        lines = [line.to_dict() for line in reversed(found)]
        return self.json({"lines": lines, "before": back_to if back_to > 1 else None})


class LogView(JobPartView):
    """The whole log as a file, read piece by piece."""

    def get(self, request: HttpRequest, uid: UUID) -> HttpResponseBase:
        job = get_visible_job(request, uid, "params", "result")
        answer = StreamingHttpResponse(pieces(job), content_type="text/plain; charset=utf-8")
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", job.kind)[:100]
        answer["Content-Disposition"] = f'attachment; filename="{name}-{str(uid)[-6:]}.log"'
        return answer


async def pieces(job: Job) -> AsyncIterator[str]:
    """A thousand lines at a time, each read when the one before it was sent."""
    after = 0
    while lines := await sync_to_async(details.log_after)(job, after, CHUNK):
        yield "".join(f"{line['at']} {line['level']:<7} {line['text']}\n" for line in lines)
        after = lines[-1]["seq"]

"""The self test: one real job through the whole product, with the time of each step; if a step does not come, why.

The job's row says when it was created, claimed (``started_at``) and finished. When the commit was over, and when the
broker had the message, only the process that did it can measure: this one.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse

from tasks.access import actions
from tasks.access.permissions import Actor, may, may_submit
from tasks.access.quotas import TooMany
from tasks.engine import broker, registry
from tasks.engine.models import Job, Queue, State, instant
from tasks.queries import board
from tasks.web.pages import Page, uid_or_404, wants_json

KIND = "noop"


class Leg(NamedTuple):
    name: str
    words: str


LEGS = [
    Leg("accepted", "The server stored the job"),
    Leg("notified", "The broker accepted the message"),
    Leg("claimed", "A worker started the job"),
    Leg("written", "The worker finished the job and stored the result"),
    Leg("pushed", "The server sent the change to this page"),
    Leg("painted", "This browser showed it"),
]


class SelfTestView(Page):
    """The button, and what came of it. ``?job=``: how far that job has come, as a page or as JSON."""

    template_name = "monitor/selftest.html"
    here = "self-test"
    action = "submit"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if wanted := request.GET.get("job"):
            job = Job.objects.select_related("owner").filter(uid=uid_or_404(wanted), kind=KIND).first()
            if job is None or not may(request.user, "see", job):
                raise Http404("There is no such test.")
            if wants_json(request):
                return JsonResponse({"job": job.summary(), "why": explain(job)})
            return self.render_to_response(
                self.get_context_data(job=job.summary(), why=explain(job), took=leg_seconds(job))
            )
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        received = datetime.now(UTC)
        at: dict[str, datetime | None] = {"received": received, "accepted": None, "notified": None}
        try:
            with (
                transaction.atomic()
            ):  # one transaction: the times are taken before and after what the submit does on commit
                transaction.on_commit(lambda: at.update(accepted=datetime.now(UTC)))
                job, _ = actions.submit(Actor.of(request), KIND, {}, priority=9)
                transaction.on_commit(lambda: at.update(notified=datetime.now(UTC) if broker.reached() else None))
        except TooMany as many:
            return JsonResponse({"detail": f"{many} Try again in {many.wait_s} s."}, status=429)
        if not wants_json(request):
            return redirect(f"{reverse('self-test')}?job={job.uid}")
        moments = {name: instant(moment) for name, moment in at.items()}
        return JsonResponse({"job": job.summary(), "at": moments, "answered": instant(datetime.now(UTC))})

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        may_test = may_submit(self.request.user, registry.get(KIND))
        return super().get_context_data(legs=LEGS, may_test=may_test, **context)


def leg_seconds(job: Job) -> dict[str, float | None]:
    """Seconds of the legs that the row knows; a page without scripts shows no more."""
    since = job.queued_at or job.created_at
    return {
        "claimed": job.started_at and (job.started_at - since).total_seconds(),
        "written": job.finished_at and job.started_at and (job.finished_at - job.started_at).total_seconds(),
    }


def explain(job: Job) -> str:
    """What keeps the job where it is, in words that an operator can act on; empty when it has succeeded."""
    match job.state:
        case State.SUCCEEDED:
            return ""
        case State.RUNNING:
            return f"The worker {job.worker} took the job and has not finished it. Check its log."
        case State.QUEUED:
            return explain_unclaimed(job)
        case _:
            return f"The job is {job.state}. {job.error}".strip()


def explain_unclaimed(job: Job) -> str:
    if Queue.objects.filter(name=job.queue, paused=True).exists():
        return f"The queue {job.queue} is paused: resume it to start its jobs."
    try:
        broker.ready(job.queue)
    except Exception:
        return "The broker (Redis) does not answer, so no worker is called. The job starts when it is back."
    workers = board.workers()
    serving = [worker for worker in workers if worker["alive"] and job.queue in worker["queues"]]
    if not serving:
        lost = [worker["name"] for worker in workers if not worker["alive"]]
        gone = f" ({', '.join(lost)} has been lost.)" if lost else ""
        return f"No worker serves queue {job.queue}: start one.{gone}"
    slots = sum(worker["concurrency"] for worker in serving)
    if sum(len(worker["running"]) for worker in serving) >= slots:
        return f"All {slots} slots of the workers of {job.queue} are busy; the job waits for its turn."
    return f"Workers of {job.queue} are alive with free slots, but none took the job. Check their logs."

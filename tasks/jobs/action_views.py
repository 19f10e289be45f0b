"""What people do to jobs on the pages: cancel and retry, one by one or all that were picked.

Each is a POST of its own. It answers with a page that goes back to the job, or with JSON to a page that stays.
"""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.generic import View

from tasks.access import actions
from tasks.access.permissions import ELSEWHERE, Actor, may
from tasks.access.quotas import TooMany
from tasks.engine import registry
from tasks.engine.errors import Refused
from tasks.engine.models import Job, State
from tasks.engine.words import number_of
from tasks.jobs.verbs import VERBS
from tasks.params.signature import ParamError
from tasks.web.links import jobs_url
from tasks.web.pages import CANCELLED, Allowed, Page, uid_or_404, wants_json

PICKED = 500  # jobs one form may act on: more than a board shows


class JobActionView(Allowed, View):
    """One of ``verbs.VERBS`` done to one job: ``action`` of ``as_view``."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        job = get_object_or_404(Job.every, uid=uid)
        if not may(request.user, self.action, job):
            raise PermissionDenied
        stays = wants_json(request)
        try:
            job = VERBS[self.action](Actor.of(request), job, request.POST.get("reason", ""))
        except Refused as refused:
            if stays:
                return JsonResponse({"title": "Not done", "status": 409, "detail": str(refused)}, status=409)
            messages.error(request, str(refused))
        else:
            if stays:
                return JsonResponse(job.summary())
        return redirect("job", uid)


class RunAgainView(Allowed, View):
    """A copy of the job with the same parameters, made by one press; one form, sent twice, is one copy.

    Secrets are not copied, and a kind may have changed since: then the form of the kind is shown instead, filled in.
    """

    action = "submit"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        job = get_object_or_404(Job, uid=uid)
        kind = registry.find(job.kind)
        if not may(request.user, "see", job) or kind is None or kind.name in ELSEWHERE:
            raise PermissionDenied
        if job.secrets:
            return self.by_form(job, "Secrets are not copied: enter them again.")
        try:
            copy, created = self.copy(kind, job)
        except TooMany as many:
            messages.error(request, f"Not submitted: {many} Try again in {many.wait_s} s.")
            return redirect("job", uid)
        except ParamError as wrong:
            return self.by_form(job, f"Its parameters are no longer valid. {wrong}")
        messages.info(request, "This is the copy." if created else "This copy was made before.")
        return redirect("job", copy.uid)

    def copy(self, kind: registry.Kind, job: Job) -> tuple[Job, bool]:
        actor = Actor.of(self.request)
        priority = job.priority if may(actor, "order") else None
        params = {name: value for name, value in job.params.items() if name not in kind.signature.secrets}
        key = actions.key_of_form(self.request.POST.get("once", ""), kind.name, str(job.uid))
        return actions.submit(actor, kind.name, params, key=key, priority=priority, copy_of=job)

    def by_form(self, job: Job, why: str) -> HttpResponse:
        messages.error(self.request, f"No copy was made. {why}")
        return redirect(f"{reverse('submit-kind', args=[job.kind])}?copy={job.uid}")


class PickedView(Page):
    """What is done to all jobs that were picked on a page: asks first, then says how it went."""

    template_name = "jobs/picked.html"
    here = "board"
    http_method_names = ["post"]
    said = {"cancel": "Cancelled", "retry": "Retrying", "take_back": "Undid the cancel of"}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.asked_for = request.POST.get("action", "")
        if self.asked_for not in VERBS:
            raise Http404("There is no such action.")
        uids = [uid_or_404(uid) for uid in request.POST.getlist("job")[:PICKED]]
        jobs = list(Job.objects.select_related("owner").filter(uid__in=uids).order_by("-id"))
        if not all(may(request.user, self.asked_for, job) for job in jobs):
            raise PermissionDenied
        if not jobs:
            messages.error(request, "No job was selected.")
            return redirect(self.back)
        if request.POST.get("sure") != "yes":
            return self.render_to_response(self.get_context_data(jobs=[job.summary() for job in jobs]))
        self.do(jobs)
        return redirect(self.back)

    @property
    def back(self) -> str:
        """The search that they were picked from, or the board."""
        text = self.request.POST.get("back")
        return reverse("board") if text is None else jobs_url(text)

    def do(self, jobs: list[Job]) -> None:
        done, refused = [], []
        for job in jobs:
            try:
                done.append(VERBS[self.asked_for](Actor.of(self.request), job, self.request.POST.get("reason", "")))
            except Refused as reason:
                refused.append(str(reason))
        if done:
            messages.info(self.request, f"{self.said[self.asked_for]} {number_of(len(done), 'job')}.")
        if self.asked_for == "cancel":  # what only waited is offered back on the next page
            self.request.session[CANCELLED] = [str(job.uid) for job in done if job.state == State.CANCELLED]
        if refused:
            messages.error(self.request, f"{number_of(len(refused), 'job')} not changed. {refused[0]}")

    def get_context_data(self, jobs: list[dict[str, Any]], **context: Any) -> dict[str, Any]:
        n = number_of(len(jobs), "job")
        asked = {"cancel": f"Cancel {n}?", "retry": f"Retry {n}?", "take_back": f"Undo the cancel of {n}?"}[
            self.asked_for
        ]
        return super().get_context_data(
            jobs=jobs, action=self.asked_for, title=asked, button=asked.rstrip("?"), back=self.back, **context
        )

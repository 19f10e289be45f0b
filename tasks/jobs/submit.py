"""The pages that submit a job: choose a kind, fill in its form."""

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from tasks.access import actions
from tasks.access.permissions import Actor, may, may_submit, submittable_kinds
from tasks.access.quotas import TooMany
from tasks.engine.models import Job
from tasks.web.kind_form import KindForm
from tasks.web.pages import Page, kind_or_404, uid_or_404


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
        return super().get_context_data(kinds=submittable_kinds(self.request.user), **context)


class SubmitKindView(SubmitView):
    """The form of one kind. Wrong input comes back as it was typed, with nothing queued."""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.kind = kind_or_404(kwargs["kind"])

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not may_submit(request.user, self.kind):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        copied = self.original(request.GET.get("copy", ""))
        return self.shown(self.form(copied=copied.params if copied else None), str(uuid4()), copied)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # The zone in which the form was drawn. On the very first page it is not yet the reader's own.
        self.activate_zone(request.POST.get("zone", ""))
        form, once = self.form(request.POST), request.POST.get("once", "")
        copied = self.original(request.POST.get("copy", ""))
        if not form.is_valid():
            form.focus_first_wrong()
            return self.shown(form, once, copied, status=422)
        order = {name: form.cleaned_data.get(name) for name in ("priority", "due_at")}
        key = actions.key_of_form(once, self.kind.name, form.params, order)
        try:
            job, created = actions.submit(
                Actor.of(request), self.kind.name, form.params, key=key, copy_of=copied, **order
            )
        except TooMany as many:
            form.add_error(None, f"{many} Try again in {many.wait_s} s.")
            answer = self.shown(form, once, copied, status=429)
            answer["Retry-After"] = str(many.wait_s)
            return answer
        if not created:
            messages.info(request, "This form was already sent. This is its job.")
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

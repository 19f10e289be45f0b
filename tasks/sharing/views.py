"""The pages of a job's share links: make one, see which there are, take one back."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.views.decorators.cache import never_cache
from django.views.generic import CreateView, DeleteView

from tasks.access import audit
from tasks.access.models import ShareLink
from tasks.access.permissions import may
from tasks.engine.models import Job
from tasks.sharing import links as sharing
from tasks.web.pages import PageContext
from tasks.web.shown_once import show_once, shown_once

HOURS = ((1, "1 hour"), (8, "8 hours"), (24, "1 day"), (24 * 7, "7 days"), (24 * 30, "30 days"), (24 * 90, "90 days"))
LINKS = 50


class ShareForm(forms.ModelForm):
    hours = forms.TypedChoiceField(label="For how long", choices=HOURS, coerce=int, initial=24 * 7)
    origins = forms.CharField(
        label="Pages that may show it in a frame",
        required=False,
        max_length=2_000,
        widget=forms.Textarea({"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        help_text="One per line, such as https://shop.example. Empty: none.",
    )
    origins.may_be_empty = True

    class Meta:
        model = ShareLink
        fields = ()

    def clean_origins(self) -> list[str]:
        given = self.cleaned_data["origins"].split()
        if len(given) > sharing.MOST_ORIGINS:
            raise forms.ValidationError(f"Give at most {sharing.MOST_ORIGINS} origins.")
        for origin in given:
            if not sharing.is_origin(origin):
                raise forms.ValidationError("Give one origin per line, such as https://shop.example.")
        return [origin.lower() for origin in given]


@method_decorator(never_cache, "dispatch")
class OfJob(PageContext):
    """A page about the share links of one job, for those who may share it."""

    here = "jobs"
    action = "share"
    model = ShareLink

    @cached_property
    def job(self) -> Job:
        job = get_object_or_404(Job.objects.select_related("owner"), uid=self.kwargs["uid"])
        if not may(self.request.user, "share", job):
            raise PermissionDenied
        return job

    def get_queryset(self) -> QuerySet[ShareLink]:
        return ShareLink.objects.filter(job=self.job).select_related("owner").order_by("-id")


class SharesView(OfJob, CreateView):
    """The links there are, and a form for another. A new one's address is shown once."""

    template_name = "sharing/links.html"
    form_class = ShareForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        address = shown_once(self.request, str(self.job.uid))
        links = self.get_queryset()[:LINKS]
        return super().get_context_data(job=self.job.summary(), links=links, address=address, **context)

    def form_valid(self, form: ShareForm) -> HttpResponse:
        hours, origins = form.cleaned_data["hours"], form.cleaned_data["origins"]
        link = sharing.draft(self.job, self.request.user, hours, origins)
        audit.do(self.request, "share", self.job.uid, lambda: sharing.make(link), until=link.expires_at.isoformat())
        show_once(self.request, str(self.job.uid), self.request.build_absolute_uri(sharing.path(link)))
        return redirect("job-share", self.job.uid)


class EndShareView(OfJob, DeleteView):
    """Take a link back: whoever has it sees nothing more. Its row stays, for the list."""

    http_method_names = ["post"]
    slug_field, slug_url_kwarg = "uid", "link"

    def form_valid(self, form: Any) -> HttpResponse:
        uid: UUID = self.object.uid
        audit.do(self.request, "share", self.job.uid, lambda: sharing.end(self.object), link=str(uid), revoked=True)
        messages.info(self.request, "The link was revoked. It no longer works.")
        return redirect("job-share", self.job.uid)

"""Running a watched task again from its page: with its real arguments, or with those that a person confirms."""

import json
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from tasks.access import audit
from tasks.access.permissions import Actor, may
from tasks.engine.errors import Refused
from tasks.engine.models import Job
from tasks.observe import asking, drafts, watched
from tasks.observe.events import TEXT, is_shallow
from tasks.web.pages import Page

ONCE = 64  # characters


class Offer(NamedTuple):
    """``how``: "real", "draft", "later" when it has not ended, or "" with ``why``."""

    how: str
    why: str = ""
    draft: drafts.Draft | None = None


def offer(job: Job) -> Offer:
    """Whether and how a task that has ended can be run again."""
    if why := asking.why_not_sent(job):
        return Offer("", why)
    if job.state not in Job.FINAL:
        return Offer("later", "It has not ended.")
    if watched.facts(job)["may_run_again"]:
        return Offer("real")
    params = job.params if isinstance(job.params, dict) else {}
    draft = drafts.of(params.get("args"), params.get("kwargs"))
    if watched.facts(job).get("arguments") == "text" and draft is not None:
        return Offer("draft", draft=draft)
    return Offer("", watched.facts(job)["why_not"])


class Json(forms.CharField):
    """JSON of one type, of a bounded size and depth."""

    def __init__(self, type_: type, words: str, **more: Any) -> None:
        super().__init__(max_length=TEXT, widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}), **more)
        self.type_, self.words = type_, words

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if len(text) > TEXT:  # before anything looks into it
            raise forms.ValidationError(f"It has more than {TEXT:,} characters.")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, self.type_) or not is_shallow(found):
            raise forms.ValidationError(f"It must be {self.words}.")
        if drafts.is_masked(found):
            raise forms.ValidationError("A secret is masked in it: put the real value in its place.")
        return found

    def validate(self, value: Any) -> None:
        pass  # an empty list is a value

    def run_validators(self, value: Any) -> None:
        pass  # its length was looked at before


class AgainForm(forms.Form):
    args = Json(list, 'a list in JSON, such as [1, "a"]', label="Arguments", help_text="A JSON list.")
    kwargs = Json(dict, 'an object in JSON, such as {"a": 1}', label="Keyword arguments", help_text="A JSON object.")
    read = forms.BooleanField(label="I have read them: these are the arguments that are meant")


class AgainView(Page):
    """Asks for arguments that a person confirms. Where they are known, a press on the task's page or here is enough."""

    template_name = "observe/again.html"
    here = "jobs"
    action = "submit"

    def setup(self, request: HttpRequest, *args: Any, app: str, uid: UUID, **kwargs: Any) -> None:
        super().setup(request, *args, app=app, uid=uid, **kwargs)
        self.app, self.uid = app, uid

    def found(self) -> Job:
        job = get_object_or_404(Job.every.select_related("owner").exclude(app=""), uid=self.uid, app=self.app)
        if not may(self.request.user, "see", job):
            raise PermissionDenied
        return job

    def get_context_data(self, form: AgainForm | None = None, **context: Any) -> dict[str, Any]:
        job = self.found()
        offered = offer(job)
        if offered.draft is not None:
            given = {
                name: json.dumps(value, ensure_ascii=False, indent=1) for name, value in offered.draft._asdict().items()
            }
            context["form"] = form or AgainForm(initial=given)
        return super().get_context_data(
            task=job.summary(), offered=offered, once=str(uuid4()), texts=job.params, **context
        )

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        job = self.found()
        offered, form = offer(job), AgainForm(request.POST)
        confirmed: dict[str, Any] = {}
        if offered.how == "draft":
            if not form.is_valid():
                return self.form_invalid(form)
            confirmed = {name: form.cleaned_data[name] for name in ("args", "kwargs")}
        once = request.POST.get("once", "")
        try:
            if offered.why:
                with audit.refusals(request, "watched.run_again", job.uid):
                    raise asking.CannotBe(offered.why)
            asking.run_again(Actor.of(request), job, **confirmed, once=once if len(once) <= ONCE else None)
        except Refused as refused:
            messages.error(request, str(refused))
        else:
            messages.info(request, "Asked: it is sent within a second, as a task of its own.")
        return redirect("job", job.uid)

"""The pages of schedules: when each runs next and how its runs went; forms made from a kind's signature."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import View

from tasks.access import audit
from tasks.access.permissions import may, submittable_kinds
from tasks.engine import registry
from tasks.engine.errors import Refused
from tasks.engine.models import Job
from tasks.engine.readable import each, readable
from tasks.params.signature import MASK, ParamError
from tasks.schedules import actions, entries
from tasks.schedules.forms import ParamsForm, ScheduleForm
from tasks.schedules.models import Schedule, beats
from tasks.web.pages import Allowed, Page, kind_or_404
from tasks.web.rows import DeleteRow, RowPage

RUNS = 25
PLAIN = {"text", "url", "ref"}  # types of parameters that a link can give


def schedule_or_404(uid: UUID) -> Schedule:
    found = readable(actions.rows().filter(uid=uid), unreadable := [])
    if not found:
        raise Http404(" ".join(unreadable) or "There is no such schedule.")
    return found[0]


class SchedulePage(Page):
    here = "schedules"
    action = "see_schedules"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        return super().get_context_data(
            may_change=may(user, "change_schedules"),
            may_run=may(user, "run_schedule"),
            beats=beats(),
            **context,
        )


class ScheduleList(SchedulePage):
    template_name = "schedules/list.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        unreadable: list[str] = []
        rows = readable(actions.rows().prefetch_related("runs").order_by("periodic__name"), unreadable)
        shown = each(rows, lambda row: (row, row.next(1), row.waiting_since, row.trouble), unreadable)
        unreadable += [*entries.wrong_entries(), *actions.strange_rows()]
        return super().get_context_data(schedules=shown, unreadable=unreadable, **context)


class ScheduleDetail(SchedulePage):
    template_name = "schedules/schedule.html"

    def get_context_data(self, uid: UUID, **context: Any) -> dict[str, Any]:
        schedule = schedule_or_404(uid)
        runs = list(schedule.runs.all()[:RUNS])
        states = dict(Job.objects.filter(uid__in=[run.job for run in runs if run.job]).values_list("uid", "state"))
        for run in runs:
            run.became = states.get(run.job, "")
        return super().get_context_data(
            schedule=schedule,
            params=schedule.shown_params,
            next=schedule.next(5),
            late_since=schedule.waiting_since,
            trouble=schedule.trouble,
            runs=runs,
            **context,
        )


class ChooseKind(SchedulePage):
    template_name = "schedules/choose.html"
    action = "change_schedules"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(kinds=submittable_kinds(self.request.user), **context)


class ScheduleCreate(SchedulePage):
    """Two forms as one: when, and the kind's parameters. "When would it run?" shows the next five times instead."""

    template_name = "schedules/form.html"
    action = "change_schedules"
    schedule: Schedule | None = None

    def chosen(self, kind: str) -> registry.Kind:
        return kind_or_404(kind)

    def forms(self, data: Any = None) -> tuple[ScheduleForm, ParamsForm]:
        """A link may bring first values along: ``?name=…`` and what parameters say."""
        asked = self.request.GET
        fields = [field for field in self.kind.signature.fields if field.type in PLAIN and field.name in asked]
        copied = {field.name: asked[field.name] for field in fields}
        return ScheduleForm(data, name=asked.get("name", "")), ParamsForm(self.kind, data, copied=copied)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.kind = self.chosen(**kwargs)
        return self.drawn(*self.forms())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.kind = self.chosen(**kwargs)
        when, what = self.forms(request.POST)
        valid = [when.is_valid(), what.is_valid()]
        if "look" in request.POST:
            return self.drawn(when, what, look=actions.draft(when.timing) if when.timing else None)
        if not all(valid):
            return self.drawn(when, what, status=422)
        try:
            schedule = self.save(when, what)
        except Refused as refused:
            when.add_error("name", str(refused))
            return self.drawn(when, what, status=422)
        return redirect("schedule", schedule.uid)

    def save(self, when: ScheduleForm, what: ParamsForm) -> Schedule:
        asked = (when.cleaned_data["name"], self.kind.name, what.params, when.timing, self.request.user)
        return audit.do(
            self.request,
            self.action,
            lambda made: f"schedule {made.uid}",
            lambda: actions.create(*asked, **when.policy),
        )

    def drawn(
        self, when: ScheduleForm, what: ParamsForm, look: Schedule | None = None, status: int = 200
    ) -> HttpResponse:
        times = look.next(5) if look else []
        context = self.get_context_data(
            when=when, what=what, kind=self.kind, schedule=self.schedule, look=look, times=times
        )
        return self.render_to_response(context, status=status)


class ScheduleChangeView(ScheduleCreate):
    def chosen(self, uid: UUID) -> registry.Kind:
        self.schedule = schedule_or_404(uid)
        return kind_or_404(self.schedule.periodic.task)

    def forms(self, data: Any = None) -> tuple[ScheduleForm, ParamsForm]:
        params = self.schedule.shown_params
        known = params if isinstance(params, dict) else {}
        try:
            opened = actions.opened(self.schedule)
        except ValueError:  # sealed with a key that is gone, or no JSON: what was secret is typed again
            opened = {}
        kept = {name: value for name, value in opened.items() if known.get(name) == MASK}
        return ScheduleForm(data, schedule=self.schedule), ParamsForm(self.kind, data, copied=known, kept=kept)

    def save(self, when: ScheduleForm, what: ParamsForm) -> Schedule:
        said = {"name": when.cleaned_data["name"], "params": what.params, **when.policy}
        said |= {"timing": when.timing} if when.moves else {}
        target = f"schedule {self.schedule.uid}"
        return audit.do(self.request, self.action, target, lambda: actions.change(self.schedule, **said))


class ScheduleDelete(RowPage, DeleteRow):
    here, noun = "schedules", "schedule"
    action = "change_schedules"
    warning = "It will not run again. Its jobs are kept."

    def get_object(self, queryset: Any = None) -> Schedule:
        return schedule_or_404(self.kwargs["uid"])

    def remove(self, schedule: Schedule) -> None:
        schedule.periodic.delete()


class Pause(Allowed, View):
    action = "change_schedules"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        schedule, paused = schedule_or_404(uid), request.POST.get("paused") == "yes"
        audit.do(request, self.action, f"schedule {uid}", lambda: actions.pause(schedule, paused), paused=paused)
        return redirect("schedule", uid)


class RunNow(Allowed, View):
    action = "run_schedule"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        schedule = schedule_or_404(uid)
        try:
            job = audit.do(request, self.action, f"schedule {uid}", lambda: actions.run_now(schedule, request.user))
        except (ParamError, registry.UnknownKind, ValueError) as error:
            messages.error(request, f"Not started: {error}")
            return redirect("schedule", uid)
        messages.info(request, "Started now. The timetable is unchanged.")
        return redirect("job", job.uid)

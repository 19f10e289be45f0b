"""Schedules over HTTP: made, changed, paused, run by hand; their runs."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import Flag, Nothing, ResourceView, Strict, Text, Whole
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem, wrong
from tasks.engine import registry
from tasks.engine.readable import readable
from tasks.schedules import actions as schedules
from tasks.schedules.actions import WrongTiming
from tasks.schedules.models import Run, Schedule

TIMES = ("every_s", "crontab", "at")


class ScheduleChange(Strict):
    """Times: one of `every_s` (seconds, with `start_at` if you wish), `crontab` (in `timezone`) and `at`."""

    name = Text(max_length=200)
    params = s.DictField(default=dict, help_text="as the kind's JSON Schema has them")
    every_s = Whole(min_value=1, max_value=10**9, required=False)
    start_at = s.DateTimeField(required=False, allow_null=True)
    crontab = Text(max_length=200, required=False, help_text="minute, hour, day of month, month, day of week")
    timezone = Text(max_length=63, required=False, help_text="UTC if it is left out")
    at = s.DateTimeField(required=False)
    priority = Whole(min_value=0, max_value=9, default=None, allow_null=True)
    overlap = s.ChoiceField(choices=Schedule.Overlap.values, default=Schedule.Overlap.SKIP)
    missed = s.ChoiceField(choices=Schedule.Missed.values, default=Schedule.Missed.SKIP)
    paused = Flag(default=False)


class ScheduleIn(ScheduleChange):
    kind = Text(max_length=200)


class RunShape(s.Serializer):
    slot = s.DateTimeField(allow_null=True, help_text="null: run by hand")
    outcome = s.ChoiceField(choices=Run.Outcome.values)
    at = s.DateTimeField()
    late_s = s.FloatField()
    count = s.IntegerField(help_text="of runs that were missed in a row")
    job = s.UUIDField(allow_null=True)
    note = s.CharField(allow_null=True)


class ScheduleShape(s.Serializer):
    id = s.UUIDField()
    name = s.CharField()
    kind = s.CharField()
    params = s.DictField()
    every_s = s.FloatField(allow_null=True)
    start_at = s.DateTimeField(allow_null=True)
    crontab = s.CharField(allow_null=True)
    timezone = s.CharField(allow_null=True)
    at = s.DateTimeField(allow_null=True)
    in_words = s.CharField()
    priority = s.IntegerField(allow_null=True)
    overlap = s.ChoiceField(choices=Schedule.Overlap.values)
    missed = s.ChoiceField(choices=Schedule.Missed.values)
    paused = s.BooleanField()
    owner = s.CharField(allow_null=True)
    created_at = s.DateTimeField()
    next = s.ListField(child=s.DateTimeField(), help_text="the next five times; none while it is paused")
    trouble = s.CharField(allow_null=True, help_text="why it can never run as it is, in a sentence")
    late_since = s.DateTimeField(allow_null=True, help_text="the run that is due and that no beat has started")
    last_run = RunShape(allow_null=True)


class SchedulePage(shapes.Page):
    results = ScheduleShape(many=True)


class RunPage(shapes.Page):
    results = RunShape(many=True)


def schedule_or_404(uid: UUID) -> Schedule:
    found = readable(schedules.rows().filter(uid=uid), unreadable := [])
    if not found:
        raise Problem("not-found", " ".join(unreadable) or "There is no such schedule.")
    return found[0]


def timing_of(given: dict[str, Any]) -> dict[str, Any] | None:
    """The timing that a body names, taken out of it; None: it names none."""
    named = [name for name in TIMES if name in given]
    start, zone = given.pop("start_at", None), given.pop("timezone", "UTC")
    if len(named) > 1:
        raise wrong(**{name: f"Give one of: {', '.join(TIMES)}." for name in named})
    if not named:
        return None
    value = given.pop(named[0])
    try:
        match named[0]:
            case "every_s":
                return schedules.every(value, start)
            case "crontab":
                return schedules.crontab(value, zone)
        return schedules.once(value)
    except WrongTiming as error:
        raise wrong(**{"timezone" if "time zone" in str(error) else named[0]: str(error)}) from None


def full_timing_of(given: dict[str, Any]) -> dict[str, Any]:
    if (timing := timing_of(given)) is None:
        raise wrong(**dict.fromkeys(TIMES, f"Give one of: {', '.join(TIMES)}."))
    return timing


class Schedules(ResourceView):
    actions = {"GET": "see_schedules", "POST": "change_schedules"}

    @extend_schema(operation_id="list_schedules", parameters=[LIMIT, CURSOR], responses=SchedulePage)
    def get(self, request: Any) -> Response:
        rows = schedules.rows().prefetch_related("runs")
        return pagination.answer(request, "schedules", rows, Schedule.to_dict, self.asked(*pagination.PARAMETERS))

    @extend_schema(operation_id="create_schedule", request=ScheduleIn, responses={201: ScheduleShape})
    def post(self, request: Any) -> Response:
        """Make a schedule. Its parameters are judged now."""
        given = self.given(ScheduleIn)
        timing, paused = full_timing_of(given), given.pop("paused")
        asked = (given.pop("name"), given.pop("kind"), given.pop("params"), timing, self.actor.user)

        def make() -> Schedule:
            made = schedules.create(*asked, **given)
            return schedules.pause(made, True) if paused else made

        made = self.do(lambda made: f"schedule {made.uid}", make)
        answer = Response(schedules.fresh(made).to_dict(), status=201)
        answer["Location"] = request.build_absolute_uri(f"{request.path}{made.uid}/")
        return answer


class OneSchedule(ResourceView):
    actions = {"GET": "see_schedules", **dict.fromkeys(("PUT", "PATCH", "DELETE"), "change_schedules")}

    @extend_schema(operation_id="get_schedule", responses=ScheduleShape)
    def get(self, request: Any, uid: UUID) -> Response:
        self.asked()
        return Response(schedule_or_404(uid).to_dict())

    @extend_schema(operation_id="replace_schedule", request=ScheduleIn, responses=ScheduleShape)
    def put(self, request: Any, uid: UUID) -> Response:
        """Replace it: what is left out is as in a new schedule. Its kind stays; its times begin now."""
        schedule, given = schedule_or_404(uid), self.given(ScheduleIn)
        if registry.own_name(given.pop("kind")) != schedule.kind:
            raise wrong(kind=f"The kind of a schedule stays: {schedule.kind}. Make another schedule.")
        return self.change(schedule, given, full_timing_of)

    @extend_schema(operation_id="change_schedule", request=ScheduleChange(partial=True), responses=ScheduleShape)
    def patch(self, request: Any, uid: UUID) -> Response:
        """Change what is given. Other times begin now; what passed while it was paused is not made up for."""
        schedule, given = schedule_or_404(uid), self.given(ScheduleChange, partial=True)
        return self.change(schedule, given, timing_of)

    def change(self, schedule: Schedule, given: dict[str, Any], times: Callable[[dict[str, Any]], Any]) -> Response:
        named, timing, paused = sorted(given), times(given), given.pop("paused", None)

        def change() -> None:
            schedules.change(schedule, timing=timing, **given)
            if paused is not None:
                schedules.pause(schedule, paused)

        self.do(f"schedule {schedule.uid}", change, changed=named)
        return Response(schedule_or_404(schedule.uid).to_dict())

    @extend_schema(operation_id="delete_schedule", responses={204: None})
    def delete(self, request: Any, uid: UUID) -> Response:
        """Delete a schedule with its list of runs. The jobs it made stay."""
        self.do(f"schedule {uid}", schedule_or_404(uid).periodic.delete)
        return Response(status=204)


class RunSchedule(ResourceView):
    actions = {"POST": "run_schedule"}

    @extend_schema(operation_id="run_schedule", request=Nothing, responses={201: shapes.JobSummary})
    def post(self, request: Any, uid: UUID) -> Response:
        """One run now, beside the timetable."""
        self.given(Nothing)
        schedule = schedule_or_404(uid)
        job = self.do(f"schedule {uid}", lambda: schedules.run_now(schedule, self.actor.user))
        return Response(job.summary(), status=201)


class Runs(ResourceView):
    actions = {"GET": "see_schedules"}

    @extend_schema(operation_id="list_runs", parameters=[LIMIT, CURSOR], responses=RunPage)
    def get(self, request: Any, uid: UUID) -> Response:
        """What became of each slot: the newest first, 200 are kept."""
        asked = self.asked(*pagination.PARAMETERS)
        return pagination.answer(request, "runs", schedule_or_404(uid).runs.all(), Run.to_dict, asked)


urlpatterns = [
    path("schedules/", Schedules.as_view(), name="schedules"),
    path("schedules/<uuid:uid>/", OneSchedule.as_view(), name="schedule"),
    path("schedules/<uuid:uid>/run/", RunSchedule.as_view(), name="schedule-run"),
    path("schedules/<uuid:uid>/runs/", Runs.as_view(), name="schedule-runs"),
]

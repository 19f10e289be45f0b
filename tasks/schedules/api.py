"""Schedules over HTTP: made, changed, paused, run by hand; their runs."""

from typing import Any
from uuid import UUID

from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import Flag, ResourceView, Strict, Text, Whole
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem, wrong
from tasks.api.rows import Rows, paths
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


class ScheduleRows(Rows):
    noun, see, edit = "schedule", "see_schedules", "change_schedules"
    rows = schedules.rows().prefetch_related("runs")
    shape, bodies = ScheduleShape, {"POST": ScheduleIn, "PATCH": ScheduleChange}
    descriptions = {
        "post": "Make a schedule. Its parameters are judged now.",
        "put": "Replace it: what is left out is as in a new schedule. Its kind stays; its times begin now.",
        "patch": "Change what is given. Other times begin now; what passed while it was paused is not made up for.",
        "delete": "Delete a schedule with its list of runs. The jobs it made stay.",
    }

    def find(self, uid: UUID) -> Schedule:
        return schedule_or_404(uid)

    def clean(self, given: dict[str, Any], schedule: Schedule | None = None) -> dict[str, Any]:
        whole = self.request.method != "PATCH"
        if whole and schedule and registry.own_name(given.pop("kind")) != schedule.kind:
            raise wrong(kind=f"The kind of a schedule stays: {schedule.kind}. Make another schedule.")
        return given | {"timing": full_timing_of(given) if whole else timing_of(given)}

    def write(self, schedule: Schedule | None, given: dict[str, Any]) -> Schedule:
        given = {**given}
        paused = given.pop("paused", None)
        if schedule is None:
            schedule = schedules.create(owner=self.actor.user, **given)
        else:
            schedules.change(schedule, **given)
        return schedule if paused is None else schedules.pause(schedule, paused)

    def remove(self, schedule: Schedule) -> None:
        schedule.periodic.delete()

    def show_new(self, schedule: Schedule) -> dict[str, Any]:
        return schedules.fresh(schedule).to_dict()


urlpatterns = Operations(*paths(ScheduleRows, "schedules/"))


@urlpatterns.post("schedules/<uuid:uid>/run/", "run_schedule", {201: shapes.JobSummary}, name="schedule-run")
def run_schedule(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """One run now, beside the timetable."""
    schedule = schedule_or_404(uid)
    return view.do(f"schedule {uid}", lambda: schedules.run_now(schedule, view.actor.user)).summary()


@urlpatterns.get(
    "schedules/<uuid:uid>/runs/", "see_schedules", shapes.page(RunShape), LIMIT, CURSOR, name="schedule-runs"
)
def list_runs(view: ResourceView, asked: dict[str, list[str]], uid: UUID) -> Response:
    """What became of each slot: the newest first, 200 are kept."""
    return pagination.answer(view.request, "runs", schedule_or_404(uid).runs.all(), Run.to_dict, asked)

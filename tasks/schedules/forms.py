"""What people say of a schedule: when, and what becomes of runs that overlap or were missed."""

import zoneinfo
from typing import Any

from django import forms
from django.utils import timezone

from tasks.engine.registry import Kind
from tasks.schedules import actions
from tasks.schedules.actions import WrongTiming
from tasks.schedules.models import UNITS, Schedule
from tasks.web.kind_form import PARAM, KindForm, MomentField, Priority

WHENS = (("every", "Every so often"), ("crontab", "By a crontab"), ("at", "Once"))
TIMING = {"every": {"number", "unit", "start_at"}, "crontab": {"crontab", "timezone"}, "at": {"at"}}


class ScheduleForm(forms.Form):
    """Once it is valid, ``timing`` is what tasks.schedules.actions takes, and ``policy`` the rest."""

    name = forms.CharField(label="Name", max_length=200, widget=forms.TextInput({"autocomplete": "off"}))
    when = forms.ChoiceField(label="When", choices=WHENS, widget=forms.RadioSelect)
    number = forms.IntegerField(label="Every", min_value=1, max_value=10_000, required=False, initial=10)
    unit = forms.ChoiceField(label="Unit", choices=[(name, f"{name}s") for name, _ in UNITS], initial="minute")
    start_at = MomentField(label="First run", help_text="Empty: after one interval.")
    crontab = forms.CharField(
        label="Crontab",
        required=False,
        max_length=200,
        help_text="Minute, hour, day of the month, month, day of the week: 30 9 * * 1-5.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "placeholder": "30 9 * * 1-5"}),
    )
    timezone = forms.ChoiceField(label="Time zone", help_text="Time zone of the crontab.")
    at = MomentField(label="At")
    overlap = forms.ChoiceField(label="When the run before is not over", choices=Schedule.Overlap)
    missed = forms.ChoiceField(
        label="When a run was missed",
        choices=Schedule.Missed,
        help_text="For example because no scheduler was running.",
    )
    priority = Priority(label="Priority")
    priority.may_be_empty, at.may_be_empty = True, False

    def __init__(self, data: Any = None, *, schedule: Schedule | None = None, name: str = "") -> None:
        super().__init__(data, auto_id="id_%s", initial={"name": name} | initial_values(schedule))
        zones = sorted(zoneinfo.available_timezones())
        self.fields["timezone"].choices = [(zone, zone) for zone in zones]
        self.timing: dict[str, Any] = {}

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        when = given.get("when", "")
        field = {"every": "number", "crontab": "crontab", "at": "at"}.get(when)
        if field is None or not TIMING[when].isdisjoint(self.errors):
            return given
        if not given.get(field):
            self.add_error(field, "Required.")
            return given
        try:
            self.timing = self._timing(given)
        except WrongTiming as wrong:
            self.add_error(field, str(wrong))
        return given

    def _timing(self, given: dict[str, Any]) -> dict[str, Any]:
        match given["when"]:
            case "every":
                return actions.every(given["number"] * dict(UNITS)[given["unit"]], given.get("start_at"))
            case "crontab":
                return actions.crontab(given["crontab"], given["timezone"])
        if self.initial.get("at") == given["at"]:  # it stays as it was, even when it is over
            return {}
        return actions.once(given["at"])

    @property
    def policy(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("overlap", "missed", "priority")}

    @property
    def moves(self) -> bool:
        """Whether it is to run at other times than before."""
        given = {"when", *TIMING[self.cleaned_data["when"]]}  # what stands in the other fields means nothing
        return bool(self.timing) and bool(given & set(self.changed_data))


class ParamsForm(KindForm):
    """The parameters of a schedule's jobs; a secret that is left empty stays what it was."""

    def __init__(self, kind: Kind, data: Any = None, *, copied: Any = None, kept: dict[str, Any] | None = None) -> None:
        super().__init__(kind, data, copied=copied)
        self.kept = kept or {}
        for name in self.kept:
            self.fields[PARAM + name].help_text = "Leave empty to keep the current one."

    def clean(self) -> dict[str, Any]:
        for name, value in self.kept.items():
            self.cleaned_data[PARAM + name] = self.cleaned_data.get(PARAM + name) or value
        return super().clean()


def initial_values(schedule: Schedule | None) -> dict[str, Any]:
    """What a person would have typed to make this schedule."""
    if schedule is None:
        return {"when": "every", "timezone": timezone.get_current_timezone_name(), "overlap": "skip", "missed": "skip"}
    periodic = schedule.periodic
    shown = {
        "name": periodic.name,
        "overlap": schedule.overlap,
        "missed": schedule.missed,
        "priority": schedule.priority,
    }
    zone = str(periodic.crontab.timezone) if periodic.crontab else timezone.get_current_timezone_name()
    shown |= {"timezone": zone, "crontab": schedule.crontab_text}
    if every := schedule.every:
        seconds = max(1, int(every.total_seconds()))
        unit, size = next((unit, size) for unit, size in UNITS if seconds % size == 0)
        return shown | {"when": "every", "number": seconds // size, "unit": unit, "start_at": periodic.start_time}
    if periodic.interval:
        return shown | {"when": "every", "start_at": periodic.start_time}
    if periodic.clocked:
        return shown | {"when": "at", "at": periodic.clocked.clocked_time}
    return shown | {"when": "crontab"}

"""What people say of a rule. Only the fields of what it watches count."""

from typing import Any

from django import forms

from tasks.alerts.models import Rule, Watch
from tasks.engine import registry
from tasks.schedules.models import Schedule


class RuleForm(forms.ModelForm):
    error_css_class = "wrong"
    watch = forms.ChoiceField(label="Watch for", choices=Watch)
    kind = forms.ChoiceField(label="Kind of job", required=False)
    times = forms.IntegerField(label="More failures than", min_value=0, max_value=1_000_000, initial=5)
    minutes = forms.IntegerField(label="Within minutes", min_value=1, max_value=10_080, initial=10)
    queue = forms.ChoiceField(label="Queue", required=False)
    schedule = forms.ChoiceField(label="Schedule", required=False)
    seconds = forms.IntegerField(
        label="Longer than seconds",
        min_value=1,
        max_value=604_800,
        initial=60,
        help_text="Of waiting, or of being late.",
    )

    class Meta:
        model = Rule
        fields = ("watch", "kind", "times", "minutes", "queue", "schedule", "seconds", "enabled")
        labels = {"enabled": "Switched on"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        each = [("", "each")]
        self.fields["kind"].choices = each + [(kind.name, kind.name) for kind in registry.kinds()]
        self.fields["queue"].choices = each + [(name, name) for name in registry.queues()]
        rows = Schedule.objects.select_related("periodic").order_by("periodic__name")
        self.fields["schedule"].choices = each + [(str(row.uid), str(row)) for row in rows]
        for name in ("kind", "queue", "schedule"):
            if (value := str(self.initial.get(name) or "")) and value not in dict(self.fields[name].choices):
                self.fields[name].choices.append((value, value))

    def clean_schedule(self) -> str | None:
        return self.cleaned_data["schedule"] or None

"""What people say of a rule. Only the fields of what it watches count."""

from typing import Any

from django import forms

from tasks.alerts import rules
from tasks.alerts.models import Rule, Watch
from tasks.channels.models import Channel
from tasks.engine import applications, registry, storable
from tasks.queries import board
from tasks.schedules.models import Schedule
from tasks.webhooks.forms import Ticks


def numbers(label: str, help_text: str, most: int = 604_800) -> forms.IntegerField:
    """A length of time; left empty it is 0."""
    return forms.IntegerField(label=label, min_value=0, max_value=most, required=False, help_text=help_text, initial=0)


class RuleForm(forms.ModelForm):
    chooses = True  # css/choices.css hides the fields that do not count
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
    apps = Ticks(label="Applications", help_text="None: our own jobs only. The others are watched applications.")

    for_s = numbers("For at least seconds", "The condition holds for so long before an alert opens.")
    close_at = forms.IntegerField(
        label="Close at or below",
        min_value=0,
        max_value=1_000_000,
        required=False,
        help_text="The figure at which an open alert closes. Empty: at the limit above.",
    )
    close_after_s = numbers("Close after seconds", "All is well for so long before it closes: one alert, not fifteen.")
    channels = forms.ModelMultipleChoiceField(
        label="Channels",
        queryset=Channel.objects.order_by("name", "id"),
        required=False,
        to_field_name="uid",
        widget=forms.CheckboxSelectMultiple,
        help_text="Who gets a message. None: alerts are shown on the pages only.",
    )
    repeat_s = numbers("Repeat every seconds", "Another message while the alert is open. 0: none.", 2_592_000)
    group_s = numbers("Group for seconds", "What opens or closes within so long of a message comes in one. 0: at once.")
    quiet_from = forms.TimeField(label="Quiet from", required=False, help_text="No messages from this time …")
    quiet_until = forms.TimeField(
        label="Quiet until", required=False, help_text="… until this one. What is open then is sent."
    )
    quiet_zone = forms.CharField(label="Time zone", max_length=64, required=False, help_text="Of the quiet hours.")

    class Meta:
        model = Rule
        fields = ("watch", "kind", "times", "minutes", "queue", "schedule", "seconds", "apps", "enabled")
        fields += ("for_s", "close_at", "close_after_s", "channels", "repeat_s", "group_s")
        fields += ("quiet_from", "quiet_until", "quiet_zone", "muted")
        labels = {"enabled": "Switched on", "muted": "Muted: alerts open, and nobody gets a message"}

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

        kept = storable.texts(self.instance.apps)
        self.fields["apps"].choices = [(name, name) for name in sorted({applications.OWN, *board.watched(), *kept})]
        for name in ("close_at", "channels", "quiet_from", "quiet_until", "quiet_zone"):
            self.fields[name].may_be_empty = True
        if self.instance.pk is not None:
            self.initial["channels"] = [channel.uid for channel in self.instance.channels.all()]
        else:
            self.initial |= {"close_after_s": 120, "quiet_zone": "UTC"}

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        for name in ("for_s", "close_after_s", "repeat_s", "group_s"):
            given[name] = given.get(name) or 0
        return given

    def clean_quiet_zone(self) -> str:
        name = self.cleaned_data["quiet_zone"] or "UTC"
        if name not in rules.zones():
            raise forms.ValidationError("There is no such time zone. One is Europe/Berlin.")
        return name

    def clean_schedule(self) -> str | None:
        return self.cleaned_data["schedule"] or None

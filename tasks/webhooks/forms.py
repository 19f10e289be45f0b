"""What people say of a webhook: its address and its filters."""

from typing import Any

from django import forms

from tasks.engine import applications, registry
from tasks.engine.models import Job
from tasks.fetch.addresses import BadAddress
from tasks.queries import board
from tasks.webhooks import deliveries
from tasks.webhooks.models import Endpoint

USUAL = [Job.State.SUCCEEDED.value, Job.State.FAILED.value, Job.State.CANCELLED.value]


class Ticks(forms.MultipleChoiceField):
    """Some of several; none means all."""

    may_be_empty = True

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=forms.CheckboxSelectMultiple, **options)


class HookForm(forms.ModelForm):
    url = forms.CharField(
        label="Address",
        max_length=2048,
        help_text="Each message is sent here by POST. Begins with https:// or http://.",
        widget=forms.URLInput({"placeholder": "https://", "autocomplete": "off", "autofocus": True}),
    )
    name = forms.CharField(label="Name", max_length=100, required=False)
    name.may_be_empty = True
    states = Ticks(label="States", choices=[(value, value.capitalize()) for value in Job.OWN], help_text="None: all.")
    kinds = Ticks(label="Kinds of job", help_text="None selected: all kinds; of maintenance jobs only failures.")
    queues = Ticks(label="Queues", help_text="None: all.")
    apps = Ticks(label="Applications", help_text="None: our own jobs only. The others are watched applications.")
    alerts = forms.BooleanField(label="Alerts, when they open and close", required=False)

    class Meta:
        model = Endpoint
        fields = ("url", "name", "states", "kinds", "queues", "apps", "alerts")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial |= self.instance.filters
        if self.instance.pk is None:
            self.initial |= {"states": USUAL, "alerts": True}
        known = {
            "kinds": [kind.name for kind in registry.kinds()],
            "queues": registry.queues(),
            "apps": [applications.OWN, *board.watched()],
        }
        for name, values in known.items():
            kept = sorted({*values, *self.instance.filters[name]})
            self.fields[name].choices = [(value, value) for value in kept]

    def clean_url(self) -> str:
        try:
            return deliveries.usable_url(self.cleaned_data["url"])
        except BadAddress as error:
            raise forms.ValidationError(str(error)) from None

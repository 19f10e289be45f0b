"""What an admin asks of a watched application's workers or broker."""

from typing import Any

from django import forms

from tasks.observe.models import App


class OrderForm(forms.Form):
    """One order; ``names`` are the fields that it shows beside the worker."""

    order = forms.ChoiceField(label="Order")
    worker = forms.ChoiceField(label="Worker", required=False)
    kind = forms.CharField(label="Name of the task", max_length=200, required=False)
    rate = forms.RegexField(
        r"^[0-9]{1,9}(\.[0-9]{1,6})?(/[smh])?$",
        label="Rate",
        required=False,
        max_length=30,
        help_text="Such as 10/m. 0: no limit.",
    )
    hard = forms.IntegerField(label="Hard limit in seconds", min_value=1, max_value=604_800, required=False)
    soft = forms.IntegerField(label="Soft limit in seconds", min_value=1, max_value=604_800, required=False)
    n = forms.IntegerField(label="Processes", min_value=1, max_value=1_000, required=False)
    queue = forms.CharField(label="Queue", max_length=200, required=False)

    groups = {
        "limits": ("Limits of a task", {"rate_limit": "Rate limit", "time_limit": "Time limit"},
                   ("kind", "rate", "soft", "hard", "worker")),
        "pool": ("Size of the pool", {"pool_grow": "Grow", "pool_shrink": "Shrink"}, ("n", "worker")),
        "queues": ("Queues that are served", {"add_consumer": "Serve", "cancel_consumer": "No longer serve"},
                   ("queue", "worker")),
        "stop": ("Stop a worker", {"shutdown": "Stop"}, ("worker",)),
    }  # fmt: skip

    def __init__(self, app: App, group: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix=group, **kwargs)
        self.title, orders, names = self.groups[group]
        self.group = group
        for name in [name for name in self.fields if name not in ("order", *names)]:
            del self.fields[name]
        self.fields["order"].choices = list(orders.items())
        if len(orders) == 1:
            self.fields["order"].widget = forms.HiddenInput()
            self.fields["order"].initial = next(iter(orders))
        workers = app.workers.filter(stopped_at=None).order_by("name").values_list("name", flat=True)
        everybody = [] if group == "stop" else [("", "all")]
        self.fields["worker"].choices = everybody + [(name, name) for name in dict.fromkeys(workers)]
        self.fields["worker"].required = group == "stop"
        for name in ("worker", "rate", "hard", "soft", "n", "queue", "kind"):
            if name in self.fields and not self.fields[name].required:
                self.fields[name].may_be_empty = name != "queue" and name != "kind"

    def given(self) -> dict[str, Any]:
        """What was filled in, as ``tasks.observe.api.values_of`` takes it."""
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}

"""What an admin says of a channel: its name, and its address, which is never shown again."""

from typing import Any

from django import forms

from tasks.channels import outgoing
from tasks.channels.models import Channel
from tasks.channels.services import LONGEST, BadChannel

HELP = "An Apprise address, such as mailto://user:password@example.org?smtp=mail.example.org&to=ops@example.org."
KEPT = " Leave it empty to keep the one there is: it is not shown again."


class ChannelForm(forms.ModelForm):
    name = forms.CharField(label="Name", max_length=100)
    url = forms.CharField(
        label="Address",
        max_length=LONGEST,
        help_text=HELP,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    class Meta:
        model = Channel
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields["url"].required = False
            self.fields["url"].help_text = HELP + KEPT

    def clean(self) -> dict[str, Any]:
        if self.instance.pk is None and Channel.objects.count() >= outgoing.MOST:
            raise forms.ValidationError(f"There are {outgoing.MOST} channels. Delete one first.")
        return super().clean()

    def clean_url(self) -> str:
        url = self.cleaned_data["url"]
        if url:
            try:
                for name, value in outgoing.values_of(url).items():
                    setattr(self.instance, name, value)
            except BadChannel as error:
                raise forms.ValidationError(str(error)) from None
        return url

"""What people say of a feed."""

from typing import Any

from django import forms
from django.utils import timezone

from tasks.fetch import addresses
from tasks.kinds.feeds.models import URL, Feed


class FeedForm(forms.ModelForm):
    """A new feed: its address, and a title if its own is not wanted."""

    url = forms.CharField(
        label="Address",
        max_length=URL,
        help_text="Of the feed itself (RSS, Atom or JSON Feed), beginning with https:// or http://.",
        widget=forms.URLInput({"placeholder": "https://", "autocomplete": "off", "autofocus": True}),
    )
    title = forms.CharField(
        label="Title", max_length=300, required=False, help_text="Empty: the feed's own, once it has been fetched."
    )
    title.may_be_empty = True

    class Meta:
        model = Feed
        fields = ("url", "title")

    def clean_url(self) -> str:
        """In the one form in which it is fetched, so that no feed is added twice."""
        try:
            url = str(addresses.parse(self.cleaned_data["url"].strip()))
        except addresses.BadAddress as error:
            raise forms.ValidationError(str(error)) from None
        if len(url) > URL:
            raise forms.ValidationError(f"Give at most {URL:,} characters.")
        return url


class ChangeForm(FeedForm):
    """A feed that is there: it can be switched off and on as well."""

    class Meta:
        model = Feed
        fields = ("url", "title", "status")
        labels = {"status": "Fetched"}

    def save(self, commit: bool = True) -> Feed:
        """Guarded like every other writer of the row. A new address begins without the old one's validators."""
        columns: dict[str, Any] = {name: self.cleaned_data[name] for name in self.changed_data}
        if "url" in columns:
            columns |= {"etag": "", "last_modified": "", "problem": ""}
        if "status" in columns:
            off = columns["status"] == Feed.Status.OFF
            columns["off_reason"] = f"Switched off by hand on {timezone.now():%Y-%m-%d}." if off else ""
        while columns:
            now = Feed.objects.get(pk=self.instance.pk)
            if Feed.objects.guarded_update(now, **columns):
                break
        return self.instance

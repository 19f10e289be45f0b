"""Feeds over HTTP: the rows that fetch_feed works on. They are fetched by submitting a job with their id."""

from typing import Any

from rest_framework import serializers as s

from tasks.api.base import Strict, Text, Web
from tasks.api.problems import wrong
from tasks.api.rows import Rows, paths
from tasks.engine.models import instant
from tasks.kinds.feeds.forms import ChangeForm, FeedForm
from tasks.kinds.feeds.models import URL, Feed


class FeedIn(Strict):
    """`title`: empty for the feed's own."""

    url = Web(max_length=URL)
    title = Text(max_length=300, default="", allow_blank=True)


class FeedChange(FeedIn):
    status = s.ChoiceField(choices=Feed.Status.values, default=Feed.Status.ON)


class FeedShape(s.Serializer):
    id = s.UUIDField()
    url = s.CharField()
    title = s.CharField(allow_blank=True)
    site = s.CharField(allow_null=True)
    format = s.CharField(allow_null=True)
    status = s.ChoiceField(choices=Feed.Status.values)
    off_reason = s.CharField(allow_null=True)
    problem = s.CharField(allow_null=True, help_text="what the last fetch could not do")
    subscribers = s.IntegerField()
    entries = s.IntegerField()
    created_at = s.DateTimeField()
    fetched_at = s.DateTimeField(allow_null=True)
    changed_at = s.DateTimeField(allow_null=True)


def to_dict(feed: Feed) -> dict[str, Any]:
    return {
        "id": str(feed.uid),
        "url": feed.url,
        "title": feed.title,
        "site": feed.site or None,
        "format": feed.format or None,
        "status": feed.status,
        "off_reason": feed.off_reason or None,
        "problem": feed.problem or None,
        "subscribers": feed.subscribers,
        "entries": feed.entries.count(),
        "created_at": instant(feed.created_at),
        "fetched_at": instant(feed.fetched_at),
        "changed_at": instant(feed.changed_at),
    }


class FeedRows(Rows):
    """The pages' own forms check a body, so that both say the same of the same address."""

    noun, see, edit = "feed", "see_rows", "change_rows"
    rows = Feed.objects.all()
    shape, bodies = FeedShape, {"POST": FeedIn, "PUT": FeedChange}
    descriptions = {
        "post": "Add a feed. It is fetched when a `fetch_feed` job with its id is submitted.",
        "put": "Replace it: what is left out is as in a new feed. Its entries and subscriptions stay.",
        "patch": "Change what is given. A new address begins without the old one's ETag.",
        "delete": "Delete a feed with its entries and subscriptions.",
    }

    def clean(self, given: dict[str, Any], feed: Feed | None = None) -> FeedForm:
        if feed is None:
            form = FeedForm(given)
        else:
            now = {"url": feed.url, "title": feed.title, "status": feed.status}
            form = ChangeForm(now | given, instance=feed)
        if not form.is_valid():
            raise wrong(**{name: " ".join(said) for name, said in form.errors.items()})
        return form

    def write(self, feed: Feed | None, form: FeedForm) -> Feed:
        return form.save()

    def show(self, feed: Feed) -> dict[str, Any]:
        return to_dict(feed)


urlpatterns = paths(FeedRows, "feeds/")

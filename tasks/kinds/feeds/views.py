"""The pages of feeds. Each thing done to a feed is a form of its own, with a view of its own that takes only POST."""

from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.generic import DetailView, ListView

from tasks.engine.words import number_of
from tasks.kinds.feeds.forms import ChangeForm, FeedForm
from tasks.kinds.feeds.models import Entry, Feed, Subscription
from tasks.web.pages import submit_and_say, uid_or_404
from tasks.web.rows import ChangeRow, DeleteRow, NewRow, RowAction, RowPage, newest

FEEDS, ENTRIES = 50, 30  # on one page


class FeedPage(RowPage):
    here, noun = "feeds", "feed"
    action = "see_rows"
    rights = {"may_change": "change_rows", "may_schedule": "change_schedules"}
    model = Feed


class FeedList(FeedPage, ListView):
    """The newest first, page after page by keyset."""

    template_name = "kinds/feeds/list.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        shown, more = newest(self.request, Feed.objects.all(), FEEDS)
        counts = Entry.objects.filter(feed__in=shown).order_by().values_list("feed").annotate(n=Count("id"))
        totals = dict(counts)
        for feed in shown:
            feed.total = totals.get(feed.pk, 0)
        own = set(Subscription.objects.filter(feed__in=shown, user=self.request.user).values_list("feed", flat=True))
        return super().get_context_data(feeds=shown, own=own, more=more, **context)


class FeedDetail(FeedPage, DetailView):
    template_name = "kinds/feeds/feed.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        entries = self.object.entries.order_by("-at", "-id")
        if before := self.request.GET.get("before"):
            last = get_object_or_404(Entry, feed=self.object, uid=uid_or_404(before))
            entries = entries.filter(at__lte=last.at).exclude(at=last.at, id__gte=last.pk)
        found = list(entries[: ENTRIES + 1])
        return super().get_context_data(
            entries=found[:ENTRIES],
            total=self.object.entries.count(),
            more=f"before={found[ENTRIES - 1].uid}" if len(found) > ENTRIES else "",
            subscribed=self.object.subscriptions.filter(user=self.request.user).exists(),
            **context,
        )


class FeedCreate(FeedPage, NewRow):
    """A new feed is fetched at once."""

    action = "change_rows"
    form_class = FeedForm
    extra_context = {"heading": "Add a feed", "button": "Add feed and fetch"}

    def form_valid(self, form: FeedForm) -> HttpResponse:
        answer = super().form_valid(form)
        said = "Feed added. It is being fetched."
        submit_and_say(self.request, "fetch_feed", said, feed=str(self.object.uid))
        return answer


class FeedUpdate(FeedPage, ChangeRow):
    action = "change_rows"
    form_class = ChangeForm
    extra_context = {"heading": "Change the feed", "button": "Save"}


class FeedDelete(FeedPage, DeleteRow):
    action = "change_rows"
    kept = "url"

    @property
    def warning(self) -> str:
        entries = number_of(self.object.entries.count(), "entry", "entries")
        return f"Its {entries} and {number_of(self.object.subscribers, 'subscription')} are deleted too."


class FeedAction(RowAction):
    noun = "feed"
    action = "see_rows"
    rows = Feed.objects.all()


class Subscribe(FeedAction):
    def do(self, feed: Feed) -> None:
        feed.subscribe(self.request.user)


class Unsubscribe(FeedAction):
    def do(self, feed: Feed) -> None:
        feed.unsubscribe(self.request.user)


class Fetch(FeedAction):
    action = "submit"

    def do(self, feed: Feed) -> None:
        submit_and_say(self.request, "fetch_feed", "A fetch was queued.", feed=str(feed.uid))

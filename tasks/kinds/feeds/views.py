"""The pages of feeds. Each thing done to a feed is a form of its own, with a view of its own that takes only POST."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.generic import CreateView, DeleteView, DetailView, ListView, UpdateView, View

from tasks.access import audit
from tasks.access.permissions import may
from tasks.kinds.feeds.forms import ChangeForm, FeedForm
from tasks.kinds.feeds.models import Entry, Feed, Subscription
from tasks.web.pages import Allowed, PageContext, submit_and_say, uid_or_404

FEEDS, ENTRIES = 50, 30  # on one page


class FeedPage(PageContext):
    here = "feeds"
    action = "see_rows"
    model = Feed
    slug_field = slug_url_kwarg = "uid"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        return super().get_context_data(
            may_change=may(user, "change_rows"), may_schedule=may(user, "change_schedules"), **context
        )


class FeedList(FeedPage, ListView):
    """The newest first, page after page by keyset."""

    template_name = "kinds/feeds/list.html"

    def get_queryset(self) -> QuerySet[Feed]:
        feeds = Feed.objects.order_by("-id")
        if before := self.request.GET.get("before"):
            feeds = feeds.filter(id__lt=get_object_or_404(Feed, uid=uid_or_404(before)).pk)
        return feeds

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = list(self.get_queryset()[: FEEDS + 1])
        shown = found[:FEEDS]
        counts = Entry.objects.filter(feed__in=shown).order_by().values_list("feed").annotate(n=Count("id"))
        totals = dict(counts)
        for feed in shown:
            feed.total = totals.get(feed.pk, 0)
        own = set(Subscription.objects.filter(feed__in=shown, user=self.request.user).values_list("feed", flat=True))
        more = f"before={shown[-1].uid}" if len(found) > FEEDS else ""
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


class FeedForms(FeedPage):
    action = "change_rows"
    template_name = "kinds/feeds/form.html"

    def get_success_url(self) -> str:
        return reverse("feed", args=[self.object.uid])

    def form_valid(self, form: Any) -> HttpResponse:
        self.object = audit.do(self.request, "change_rows", lambda feed: f"feed {feed.uid}", form.save)
        return redirect(self.get_success_url())


class FeedCreate(FeedForms, CreateView):
    """A new feed is fetched at once."""

    form_class = FeedForm
    extra_context = {"heading": "Add a feed", "button": "Add it and fetch it"}

    def form_valid(self, form: FeedForm) -> HttpResponse:
        answer = super().form_valid(form)
        said = "Feed added. It is being fetched."
        submit_and_say(self.request, "fetch_feed", said, feed=str(self.object.uid))
        return answer


class FeedUpdate(FeedForms, UpdateView):
    form_class = ChangeForm
    extra_context = {"heading": "Change the feed", "button": "Change it"}


class FeedDelete(FeedForms, DeleteView):
    template_name = "kinds/feeds/delete.html"

    def form_valid(self, form: Any) -> HttpResponse:
        feed = self.object
        audit.do(self.request, "change_rows", f"feed {feed.uid}", feed.delete, deleted=feed.url)
        return redirect("feeds")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(total=self.object.entries.count(), **context)


class FeedDeed(Allowed, View):
    """Something done to one feed."""

    action = "see_rows"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: Any) -> HttpResponse:
        feed = get_object_or_404(Feed, uid=uid)
        self.do(feed)
        return redirect("feed", feed.uid)

    def do(self, feed: Feed) -> None:
        raise NotImplementedError


class Subscribe(FeedDeed):
    def do(self, feed: Feed) -> None:
        feed.subscribe(self.request.user)


class Unsubscribe(FeedDeed):
    def do(self, feed: Feed) -> None:
        feed.unsubscribe(self.request.user)


class Fetch(FeedDeed):
    action = "submit"

    def do(self, feed: Feed) -> None:
        submit_and_say(self.request, "fetch_feed", "A fetch was queued.", feed=str(feed.uid))

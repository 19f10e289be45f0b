"""Feeds over HTTP: the rows that fetch_feed works on. They are fetched by submitting a job with their id."""

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text, Web
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem, wrong
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


class FeedPage(shapes.Page):
    results = FeedShape(many=True)


def shown(feed: Feed) -> dict[str, Any]:
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


def feed_or_404(uid: UUID) -> Feed:
    found = Feed.objects.filter(uid=uid).first()
    if found is None:
        raise Problem("not-found", "There is no such feed.")
    return found


def valid(form: FeedForm) -> FeedForm:
    """The pages' own forms judge, so that both say the same of the same address."""
    if not form.is_valid():
        raise wrong(**{name: " ".join(said) for name, said in form.errors.items()})
    return form


class Feeds(ResourceView):
    actions = {"GET": "see_rows", "POST": "change_rows"}

    @extend_schema(operation_id="list_feeds", parameters=[LIMIT, CURSOR], responses=FeedPage)
    def get(self, request: Any) -> Response:
        return pagination.answer(request, "feeds", Feed.objects.all(), shown, self.asked(*pagination.PARAMETERS))

    @extend_schema(operation_id="create_feed", request=FeedIn, responses={201: FeedShape})
    def post(self, request: Any) -> Response:
        """Add a feed. It is fetched when a `fetch_feed` job with its id is submitted."""
        form = valid(FeedForm(self.given(FeedIn)))
        made = self.do(lambda feed: f"feed {feed.uid}", form.save)
        answer = Response(shown(made), status=201)
        answer["Location"] = request.build_absolute_uri(f"{request.path}{made.uid}/")
        return answer


class OneFeed(ResourceView):
    actions = {"GET": "see_rows", **dict.fromkeys(("PUT", "PATCH", "DELETE"), "change_rows")}

    @extend_schema(operation_id="get_feed", responses=FeedShape)
    def get(self, request: Any, uid: UUID) -> Response:
        self.asked()
        return Response(shown(feed_or_404(uid)))

    @extend_schema(operation_id="replace_feed", request=FeedChange, responses=FeedShape)
    def put(self, request: Any, uid: UUID) -> Response:
        """Replace it: what is left out is as in a new feed. Its entries and subscriptions stay."""
        return self.change(feed_or_404(uid), self.given(FeedChange))

    @extend_schema(operation_id="change_feed", request=FeedChange(partial=True), responses=FeedShape)
    def patch(self, request: Any, uid: UUID) -> Response:
        """Change what is given. A new address begins without the old one's ETag."""
        return self.change(feed_or_404(uid), self.given(FeedChange, partial=True))

    def change(self, feed: Feed, given: dict[str, Any]) -> Response:
        now = {"url": feed.url, "title": feed.title, "status": feed.status}
        form = valid(ChangeForm(now | given, instance=feed))
        self.do(f"feed {feed.uid}", form.save, changed=sorted(given))
        return Response(shown(feed_or_404(feed.uid)))

    @extend_schema(operation_id="delete_feed", responses={204: None})
    def delete(self, request: Any, uid: UUID) -> Response:
        """Delete a feed with its entries and subscriptions."""
        self.do(f"feed {uid}", feed_or_404(uid).delete)
        return Response(status=204)


urlpatterns = [
    path("feeds/", Feeds.as_view(), name="feeds"),
    path("feeds/<uuid:uid>/", OneFeed.as_view(), name="feed"),
]

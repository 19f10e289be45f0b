"""The addresses of the pages of feeds."""

from django.urls import path

from tasks.kinds.feeds import views

urlpatterns = [
    path("feeds/", views.FeedList.as_view(), name="feeds"),
    path("feeds/new/", views.FeedCreate.as_view(), name="feed-new"),
    path("feeds/<uuid:uid>/", views.FeedDetail.as_view(), name="feed"),
    path("feeds/<uuid:uid>/change/", views.FeedUpdate.as_view(), name="feed-change"),
    path("feeds/<uuid:uid>/delete/", views.FeedDelete.as_view(), name="feed-delete"),
    path("feeds/<uuid:uid>/fetch/", views.Fetch.as_view(), name="feed-fetch"),
    path("feeds/<uuid:uid>/subscribe/", views.Subscribe.as_view(), name="feed-subscribe"),
    path("feeds/<uuid:uid>/unsubscribe/", views.Unsubscribe.as_view(), name="feed-unsubscribe"),
]

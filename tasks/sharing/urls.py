"""Addresses of share links: where they are made, and what they show."""

from django.urls import path

from tasks.sharing import public, views

urlpatterns = [
    path("jobs/<uuid:uid>/share/", views.SharesView.as_view(), name="job-share"),
    path("jobs/<uuid:uid>/share/<uuid:link>/delete/", views.EndShareView.as_view(), name="job-share-end"),
    path("share/<str:link>/", public.page, name="share"),
    path("share/<str:link>/state/", public.state, name="share-state"),
]

"""Addresses of the manual."""

from django.urls import path

from tasks.web import manual

urlpatterns = [
    path("docs/", manual.ManualView.as_view(), name="manual"),
    path("docs/<path:page>", manual.ManualView.as_view(), name="manual-page"),
]

"""Addresses of the Jobs page and of bulk actions."""

from django.urls import path

from tasks.search import bulk_views, views

urlpatterns = [
    path("jobs/", views.JobsView.as_view(), name="jobs"),
    path("jobs/bulk/", bulk_views.BulkView.as_view(), name="bulk"),
]

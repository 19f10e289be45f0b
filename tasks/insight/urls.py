"""Addresses of kinds, and of one kind, one queue, one worker."""

from django.urls import path

from tasks.insight import views

urlpatterns = [
    path("kinds/", views.KindsView.as_view(), name="kinds"),
    path("kinds/<name:kind>/", views.KindView.as_view(), name="kind"),
    path("queues/<name:name>/", views.QueueView.as_view(), name="queue"),
    path("workers/<name:name>/", views.WorkerView.as_view(), name="worker"),
]

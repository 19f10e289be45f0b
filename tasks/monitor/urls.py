"""Addresses of workers and queues, charts, and the self test."""

from django.urls import path

from tasks.monitor import selftest, views

urlpatterns = [
    path("workers/", views.WorkersView.as_view(), name="workers"),
    path("self-test/", selftest.SelfTestView.as_view(), name="self-test"),
    path("charts/", views.ChartsView.as_view(), name="charts"),
    path("queues/<name:name>/pause/", views.PauseView.as_view(), name="queue-pause"),
    path("queues/<name:name>/resume/", views.PauseView.as_view(paused=False), name="queue-resume"),
]

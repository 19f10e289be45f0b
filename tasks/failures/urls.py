"""The addresses of the pages of failures."""

from django.urls import path

from tasks.failures import views

urlpatterns = [
    path("failures/", views.FailuresView.as_view(), name="failures"),
    path("failures/merge/", views.MergeView.as_view(), name="failures-merge"),
    path("failures/split/", views.SplitView.as_view(), name="failures-split"),
    path("failures/handle/", views.HandleView.as_view(), name="failures-handle"),
    path("failures/snooze/", views.SnoozeView.as_view(), name="failures-snooze"),
    path("failures/reopen/", views.ReopenView.as_view(), name="failures-reopen"),
]

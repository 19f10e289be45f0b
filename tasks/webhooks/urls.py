"""The addresses of the pages of webhooks."""

from django.urls import path

from tasks.webhooks import views

urlpatterns = [
    path("webhooks/", views.HookList.as_view(), name="webhooks"),
    path("webhooks/new/", views.HookCreate.as_view(), name="webhook-new"),
    path("webhooks/callbacks/", views.Callbacks.as_view(), name="webhook-callbacks"),
    path("webhooks/callbacks/secret/", views.OwnSecret.as_view(), name="webhook-callback-secret"),
    path("webhooks/<uuid:uid>/", views.HookDetail.as_view(), name="webhook"),
    path("webhooks/<uuid:uid>/change/", views.HookUpdate.as_view(), name="webhook-change"),
    path("webhooks/<uuid:uid>/delete/", views.HookDelete.as_view(), name="webhook-delete"),
    path("webhooks/<uuid:uid>/rotate/", views.Rotate.as_view(), name="webhook-rotate"),
    path("webhooks/<uuid:uid>/switch/", views.Switch.as_view(), name="webhook-switch"),
    path("webhooks/<uuid:uid>/test/", views.SendTest.as_view(), name="webhook-test"),
    path("deliveries/<uuid:uid>/replay/", views.ReplayView.as_view(), name="delivery-replay"),
]

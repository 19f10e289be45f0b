"""Addresses of the pages of watched applications."""

from django.urls import path

from tasks.observe import again, views

urlpatterns = [
    path("apps/", views.AppsView.as_view(), name="apps"),
    path("apps/<slug:app>/", views.AppView.as_view(), name="app"),
    path("apps/<slug:app>/orders/<slug:group>/", views.OrderView.as_view(), name="app-order"),
    path("apps/<slug:app>/tasks/<uuid:uid>/again/", again.AgainView.as_view(), name="app-again"),
    path("apps/<slug:app>/queues/<name:queue>/purge/", views.PurgeView.as_view(), name="app-purge"),
]

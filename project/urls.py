"""Where every address of the product is dealt with."""

from django.contrib import admin
from django.urls import include, path

from project import health, start

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("start/<str:token>/", start.first_admin, name="first-admin"),
    path("admin/", admin.site.urls),
    path("api/", include("tasks.api.urls")),
    path("", include("tasks.urls")),
    path("", include("tasks.kinds.feeds.urls")),
]

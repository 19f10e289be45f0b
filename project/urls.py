"""Where every address of the product is dealt with."""

from django.contrib import admin
from django.urls import include, path

from project import health, metrics, problems, start
from tasks import share

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("start/<str:token>/", start.first_admin, name="first-admin"),
    path("admin/", admin.site.urls),
    path("problems/", problems.catalogue, name="problems"),
    path("problems/<slug:code>", problems.catalogue, name="problem"),
    path("share/<str:link>/", share.page, name="share"),
    path("share/<str:link>/state/", share.state, name="share-state"),
    path("api/", include("tasks.api.urls")),
    path("", include("tasks.urls")),
    path("", include("tasks.hooks.urls")),
    path("", include("tasks.timetable.urls")),
    path("", include("tasks.alarms.urls")),
    path("", include("tasks.failures.urls")),
    path("", include("tasks.kinds.feeds.urls")),
    path("", include("tasks.kinds.checks.urls")),
    path("", include("tasks.kinds.images.urls")),
]

handler400 = "project.guards.bad_request"
handler403 = "project.guards.forbidden"
handler404 = "project.guards.not_found"
handler500 = "project.guards.broken"

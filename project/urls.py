"""Where every address of the product is dealt with."""

from django.contrib import admin
from django.urls import include, path

from project import health, metrics, problems, start

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("start/<str:token>/", start.first_admin, name="first-admin"),
    path("admin/", admin.site.urls),
    path("problems/", problems.catalogue, name="problems"),
    path("problems/<slug:code>", problems.catalogue, name="problem"),
    path("api/", include("project.api_urls")),
    path("", include("tasks.jobs.urls")),
    path("", include("tasks.search.urls")),
    path("", include("tasks.sharing.urls")),
    path("", include("tasks.monitor.urls")),
    path("", include("tasks.account.urls")),
    path("", include("tasks.web.urls")),
    path("", include("tasks.webhooks.urls")),
    path("", include("tasks.schedules.urls")),
    path("", include("tasks.alerts.urls")),
    path("", include("tasks.failures.urls")),
    path("", include("tasks.kinds.feeds.urls")),
    path("", include("tasks.kinds.checks.urls")),
    path("", include("tasks.kinds.images.urls")),
]

handler400 = "project.guards.bad_request"
handler403 = "project.guards.forbidden"
handler404 = "project.guards.not_found"
handler500 = "project.guards.broken"

"""Where every address of the product is dealt with."""

from django.contrib import admin
from django.urls import include, path

from project import first_admin, health, metrics, problems
from tasks.web import features

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("start/<str:token>/", first_admin.page, name="first-admin"),
    path("admin/", admin.site.urls),
    path("problems/", problems.catalogue, name="problems"),
    path("problems/<slug:code>", problems.catalogue, name="problem"),
    path("api/", include("project.api_urls")),
    *features.addresses("pages"),
]

handler400 = "project.middleware.bad_request"
handler403 = "project.middleware.forbidden"
handler404 = "project.middleware.not_found"
handler500 = "project.middleware.broken"

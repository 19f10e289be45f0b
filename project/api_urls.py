"""Where the API is. The same resources stand below /api/v1/ and below /api/, where the newest version answers.

An app with resources of its own names a module on its AppConfig (``api``); the module has ``urlpatterns`` whose views
derive from ``tasks.api.base.ResourceView``.
"""

from django.urls import include, path, re_path

from tasks.api import not_found, schema
from tasks.api.versions import VERSIONS
from tasks.web import features

RESOURCES = features.addresses("api")

schema.RESOURCES.append(RESOURCES)
app_name = "api"
urlpatterns = [
    path("schema/", schema.Document.as_view(), name="schema"),
    path("docs/", schema.Pages.as_view(), name="docs"),
    *(path(f"{version}/", include(RESOURCES), {"version": version}) for version in VERSIONS),
    *(path(f"{version}/", not_found.Root.as_view(), {"version": version}) for version in VERSIONS),
    path("", include(RESOURCES)),
    path("", not_found.Root.as_view(), name="root"),
    re_path(r"^(?P<rest>.*)$", not_found.Missing.as_view(), name="missing"),
]

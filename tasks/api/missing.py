"""The root of the API, and every address below it where there is nothing."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.urls import Resolver404, resolve
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from tasks.api.base import Endpoint
from tasks.api.problems import Problem
from tasks.api.versions import VERSIONS, link, unknown

VERSION = re.compile(r"(v[0-9]{1,9})(/|$)")


class Root(Endpoint):
    actions = {"GET": "kinds"}

    @extend_schema(exclude=True)
    def get(self, request: Any) -> Response:
        """Where to begin."""
        names = ("kinds", "jobs", "queues", "workers", "stats", "failures", "tokens")
        links = {name: link(request, name) for name in names}
        more = {name: request.build_absolute_uri(f"/api/{name}/") for name in ("schema", "docs")}
        return Response({"versions": list(VERSIONS), **links, **more})


@extend_schema(exclude=True)
class Missing(Endpoint):
    """Nothing is here: the same answer for everybody, logged in or not."""

    authentication_classes = ()
    permission_classes = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A page's address without its last slash leads there, as everywhere in Django."""
        if request.method in ("GET", "HEAD") and not request.path.endswith("/"):
            try:
                there = resolve(f"{request.path}/").url_name != "missing"
            except Resolver404:
                there = False
            if there:
                return HttpResponsePermanentRedirect(f"{request.path}/{'?' * bool(query(request))}{query(request)}")
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        found = VERSION.match(kwargs["rest"])
        if found and found[1] not in VERSIONS:
            raise unknown(found[1], 404)
        super().initial(request, *args, **kwargs)
        raise Problem("not-found")


def query(request: HttpRequest) -> str:
    return request.META.get("QUERY_STRING", "")

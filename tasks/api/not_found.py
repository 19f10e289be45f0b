"""The root of the API, and the answer for every address below it that does not exist."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.urls import Resolver404, resolve, reverse
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from tasks.api.base import ResourceView
from tasks.api.problems import Problem
from tasks.api.versions import VERSIONS, link, unknown

VERSION = re.compile(r"v[0-9]{1,9}")


class Root(ResourceView):
    actions = {"GET": "kinds"}

    @extend_schema(exclude=True)
    def get(self, request: Any) -> Response:
        """Where to begin."""
        names = ("kinds", "jobs", "queues", "workers", "stats", "failures", "tokens")
        links = {name: link(request, name) for name in names}
        more = {name: request.build_absolute_uri(reverse(f"api:{name}")) for name in ("schema", "docs")}
        return Response({"versions": list(VERSIONS), **links, **more})


@extend_schema(exclude=True)
class Missing(ResourceView):
    """Nothing is here: the same answer for everybody, logged in or not."""

    authentication_classes = ()
    permission_classes = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect an address without its last slash, as everywhere in Django; the client sends a body again."""
        if not request.path.endswith("/") and exists(f"{request.path_info}/"):
            to = f"{request.path}/{'?' * bool(query(request))}{query(request)}"
            return HttpResponsePermanentRedirect(to, preserve_request=request.method not in ("GET", "HEAD"))
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        first, _, rest = kwargs["rest"].partition("/")
        if first not in VERSIONS and (VERSION.fullmatch(first) or (rest and exists(f"/api/{rest}"))):
            raise unknown(first, 404)
        super().initial(request, *args, **kwargs)
        raise Problem("not-found")


def exists(path: str) -> bool:
    """Whether something of the API is at that address."""
    try:
        return resolve(path).url_name not in ("missing", "root")
    except Resolver404:
        return False


def query(request: HttpRequest) -> str:
    return request.META.get("QUERY_STRING", "")

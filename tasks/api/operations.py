"""Operations of the API: one method at one address, written as a function.

``urlpatterns = Operations()`` collects those of a module. The function's name is the operation's id, and its docstring
is the description in the OpenAPI document. What it returns is the answer's body, or a whole response::

    @urlpatterns.post("webhooks/<uuid:uid>/test/", "change_webhooks", {201: DeliveryShape}, name="webhook-test")
    def test_webhook(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.api.base import Nothing, ResourceView, Strict
from tasks.api.problems import wrong

Work = Callable[..., Any]  # (view, what the request gives, **what the address names)


class Operations(list[URLPattern]):
    """Addresses. ``shape``: a serializer of the answer, or ``{status: serializer}`` where the status is not 200."""

    def __init__(self, *others: URLPattern) -> None:
        super().__init__(others)
        self.views: dict[str, type[ResourceView]] = {}

    def get(self, route: str, action: str, shape: Any, *query: OpenApiParameter, name: str) -> Callable[[Work], Work]:
        """The function gets the query's parameters, each a list; others than these are refused."""
        return self._add("GET", route, action, shape, name, lambda view: asked(view, query), parameters=[*query])

    def post(
        self, route: str, action: str, shape: Any, body: type[Strict] = Nothing, *headers: OpenApiParameter, name: str
    ) -> Callable[[Work], Work]:
        """The function gets the checked body. Headers it reads itself."""
        said = {"request": body, "parameters": [*headers]}
        return self._add("POST", route, action, shape, name, lambda view: view.given(body), **said)

    def delete(self, route: str, action: str, *, name: str) -> Callable[[Work], Work]:
        return self._add("DELETE", route, action, {204: None}, name, lambda view: {})

    def _add(
        self, method: str, route: str, action: str, shape: Any, name: str, read: Callable[[Any], Any], **said: Any
    ) -> Callable[[Work], Work]:
        status = next(iter(shape)) if isinstance(shape, dict) else 200

        def add(work: Work) -> Work:
            def handle(view: ResourceView, request: Request, **place: Any) -> HttpResponseBase:
                done = work(view, read(view), **place)
                return done if isinstance(done, HttpResponseBase) else Response(done, status=status)

            handle.__doc__ = work.__doc__
            if route not in self.views:
                self.views[route] = type(work.__name__, (ResourceView,), {"actions": {}, "__module__": work.__module__})
                self.append(path(route, self.views[route].as_view(), name=name))
            self.views[route].actions[method] = action
            documented = extend_schema(operation_id=work.__name__, responses=shape, **said)(handle)
            setattr(self.views[route], method.lower(), documented)
            return work

        return add


def asked(view: ResourceView, query: tuple[OpenApiParameter, ...]) -> dict[str, list[str]]:
    """The query's parameters, held to the values and with the defaults that the document names."""
    found = view.asked(*(each.name for each in query))
    for each in query:
        if each.enum and each.name in found and found[each.name][-1] not in each.enum:
            raise wrong(**{each.name: f"Choose one of: {', '.join(each.enum)}."})
        if each.default is not None:
            found.setdefault(each.name, [each.default])
    return found

"""A table as two resources: all of its rows (list, create) and one of them (read, replace, change, delete).

A feature derives one class from ``Rows``, and ``paths`` makes the two views of it. Names of addresses, operation ids,
refusals and audit entries come from ``noun``.
"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, find
from tasks.api.pagination import CURSOR, LIMIT


class Rows(ResourceView):
    """What a feature says of its table. ``noun``: one row in words, such as "alert rule"."""

    noun: ClassVar[str]
    see: ClassVar[str]  # the action that reading needs
    edit: ClassVar[str]  # the action that creating, changing and deleting need
    rows: ClassVar[QuerySet[Any]]
    shape: ClassVar[type[Serializer]]
    new_shape: ClassVar[type[Serializer] | None] = None  # with what only the answer to POST shows
    bodies: ClassVar[dict[str, type[Strict]]]  # POST, and PUT and PATCH where they differ
    descriptions: ClassVar[dict[str, str]] = {}  # method → what the OpenAPI document says of it

    def clean(self, given: dict[str, Any], row: Any = None) -> Any:
        """Check a valid body further, before the transaction: for a new row, or for the row that it changes."""
        return given

    def write(self, row: Any, cleaned: Any) -> Any:
        """Save what ``clean`` returned. Without a row, returns a new one."""
        raise NotImplementedError

    def remove(self, row: Any) -> None:
        row.delete()

    def show(self, row: Any) -> dict[str, Any]:
        return row.to_dict()

    def show_new(self, row: Any) -> dict[str, Any]:
        return self.show(row)

    def detail(self, cleaned: Any) -> dict[str, Any]:
        """What the audit entry says of a new row."""
        return {}

    def find(self, uid: UUID) -> Any:
        return find(self.rows, self.noun, uid=uid)

    def target(self, row: Any) -> str:
        return f"{self.noun} {row.uid}"


class AllRows(Rows):
    def get(self, request: Request) -> Response:
        asked = self.asked(*pagination.PARAMETERS)
        return pagination.answer(request, self.noun, self.rows.all(), self.show, asked)

    def post(self, request: Request) -> Response:
        cleaned = self.clean(self.given(self.bodies["POST"]))
        made = self.do(self.target, lambda: self.write(None, cleaned), **self.detail(cleaned))
        return self.created(self.show_new(made), made.uid)


class OneRow(Rows):
    def get(self, request: Request, uid: UUID) -> Response:
        self.asked()
        return Response(self.show(self.find(uid)))

    def put(self, request: Request, uid: UUID) -> Response:
        """Replace it: what is left out is as in a new one."""
        return self.change(self.find(uid), self.given(self.bodies["PUT"]))

    def patch(self, request: Request, uid: UUID) -> Response:
        """Change what is given."""
        return self.change(self.find(uid), self.given(self.bodies["PATCH"], partial=True))

    def change(self, row: Any, given: dict[str, Any]) -> Response:
        named, cleaned = sorted(given), self.clean(given, row)
        self.do(self.target(row), lambda: self.write(row, cleaned), changed=named)
        return Response(self.show(self.find(row.uid)))

    def delete(self, request: Request, uid: UUID) -> Response:
        row = self.find(uid)
        self.do(self.target(row), lambda: self.remove(row))
        return Response(status=204)


def paths(table: type[Rows], route: str) -> list[URLPattern]:
    """The addresses of both resources: all rows at ``route``, one row below it."""
    name, change = table.noun.replace(" ", "_"), table.edit
    bodies = {"PUT": table.bodies["POST"], **table.bodies}
    bodies = {"PATCH": bodies["PUT"], **bodies}
    shape, new = table.shape, table.new_shape or table.shape
    rows = _view(
        (table, AllRows),
        {"GET": table.see, "POST": change},
        bodies,
        GET={"operation_id": f"list_{name}s", "parameters": [LIMIT, CURSOR], "responses": shapes.page(shape)},
        POST={"operation_id": f"create_{name}", "request": bodies["POST"], "responses": {201: new}},
    )
    one = _view(
        (table, OneRow),
        {"GET": table.see, "PUT": change, "PATCH": change, "DELETE": change},
        bodies,
        GET={"operation_id": f"get_{name}", "responses": shape},
        PUT={"operation_id": f"replace_{name}", "request": bodies["PUT"], "responses": shape},
        PATCH={"operation_id": f"change_{name}", "request": bodies["PATCH"](partial=True), "responses": shape},
        DELETE={"operation_id": f"delete_{name}", "responses": {204: None}},
    )
    name = name.replace("_", "-")
    return [path(route, rows, name=f"{name}s"), path(f"{route}<uuid:uid>/", one, name=name)]


def _view(bases: tuple[type, ...], actions: dict[str, str], bodies: Any, **documented: dict[str, Any]) -> Any:
    view = type("".join(base.__name__ for base in bases), bases, {"actions": actions, "bodies": bodies})
    said = bases[0].descriptions
    for method, options in documented.items():
        extend_schema_view(**{method.lower(): extend_schema(description=said.get(method.lower()), **options)})(view)
    return view.as_view()

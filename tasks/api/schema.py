"""The OpenAPI document, and the pages that show it: from our own host, under the same strict policy as every page.

Made once for each process from the views themselves; every operation gets the problems that any request can meet.
"""

import inspect
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.urls import include, path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from tasks.api import examples, idempotency
from tasks.api.base import ResourceView
from tasks.api.problems import CATALOGUE, MEDIA_TYPE
from tasks.api.versions import NEWEST
from tasks.web.pages import Page

ALWAYS = (400, 401, 403, 404, 405, 406, 429, 500, 503)
WITH_BODY = (413, 415)
CONFLICTS = {  # operations that can answer 409
    "cancel_job", "retry_job", "take_back_cancel", "submit_job", "share_job", "create_token", "create_webhook",
    "test_webhook", "replay_delivery", "create_schedule", "change_schedule", "replace_schedule", "give_order",
    "create_channel", "merge_failures", "split_failures", "run_schedule",
}  # fmt: skip


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "tasks.api.auth.ByToken"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        said = "`Token <token>`: from `manage.py token`, or from `POST /api/v1/tokens/`."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": said}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "rest_framework.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        said = "A browser's session. What changes something needs the X-CSRFToken header too."
        return {"type": "apiKey", "in": "cookie", "name": "signalbox_session", "description": said}


class DocumentedByMethods(AutoSchema):
    """Takes the description of an operation from its method, which drf-spectacular looks for under ``view.action``."""

    def get_description(self) -> str:
        return inspect.getdoc(getattr(self.view, self.method.lower())) or ""


def with_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook: say of every operation what can go wrong, and in which shape."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    for schema in _bodies(result):
        schema["additionalProperties"] = False  # as every Strict form has it
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            examples.show(operation)
            codes = [*ALWAYS, *(WITH_BODY if "requestBody" in operation else ())]
            takes_key = any(each["name"] == idempotency.HEADER for each in operation.get("parameters", ()))
            codes += [409] * (operation["operationId"] in CONFLICTS) + [422] * takes_key
            for status in sorted(codes):
                titles = [kind.title for kind in CATALOGUE.values() if kind.status == status]
                operation["responses"].setdefault(
                    str(status), {"description": " / ".join(titles) or "Not acceptable", "content": content}
                )
            for answer in operation["responses"].values():
                answer.setdefault("headers", {})["X-API-Version"] = {"schema": {"type": "string"}}
    return result


def _bodies(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The components that requests are made of."""
    for operations in result["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if name := content.get("schema", {}).get("$ref", "").rpartition("/")[2]:
                    yield result["components"]["schemas"][name]


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `type` is `/problems/<code>`; the codes are in the documentation.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [f"/problems/{code}" for code in CATALOGUE]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "field → sentences",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "versions": {"type": "array", "items": {"type": "string"}},
        "job": {"$ref": "#/components/schemas/JobSummary"},
        "request": {"type": "string"},
    },
}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The whole document, of the newest version's addresses only."""
    patterns = [path(f"api/{NEWEST}/", include(RESOURCES[0]))]
    return SchemaGenerator(patterns=patterns, api_version=NEWEST).get_schema(request=None, public=True)


RESOURCES: list[Any] = []  # filled by ``urls``, which knows them


class OpenApiJson(OpenApiJsonRenderer):
    media_type = "application/vnd.oai.openapi+json"


class PlainJson(OpenApiJsonRenderer):
    media_type = "application/json"


class Document(ResourceView):
    actions = {"GET": "kinds"}
    renderer_classes = (OpenApiJson, PlainJson, OpenApiYamlRenderer, JSONRenderer)

    @extend_schema(exclude=True)
    def get(self, request: Any) -> Response:
        """OpenAPI 3.1, as JSON or (``Accept: application/vnd.oai.openapi``) as YAML."""
        return Response(document())


class Pages(Page):
    """The document to read and to try. Its scripts are files of our own host, as everywhere."""

    template_name = "api/docs.html"
    here = "api"
    action = "kinds"

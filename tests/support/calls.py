"""Calling the API as one of the people, by session or by token: ``call("alice").post("jobs/", {...})``."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tasks.access.models import Token
from tests.support.people import person


class Caller:
    """A person, or a token of hers with a scope, before the API. Paths without a slash in front are below /api/v1/."""

    def __init__(self, name: str | None = None, scope: str | None = None) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        if name and scope:
            self.token, self.text = Token.objects.make(person(name), scope)
            self.headers["Authorization"] = f"Token {self.text}"
        elif name:
            self.client.force_login(person(name), "django.contrib.auth.backends.ModelBackend")

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        url = path if path.startswith(("/", "http")) else f"/api/v1/{path}"
        named = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        kind = named.pop("Content-Type", "application/json")
        data = body if isinstance(body, (bytes, str)) else b"" if body is None else json.dumps(body)
        answer = self.client.generic(method, url, data, content_type=kind, headers=named)
        answer.problem = None
        if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
            answer.problem = answer.json()["type"].removeprefix("/problems/")
            assert answer.json()["status"] == answer.status_code
        return answer

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.send("POST", path, body, **headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self.send("DELETE", path, **headers)


call = Caller

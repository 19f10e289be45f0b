"""Every address, for every role and every scope of a token, compared with the table; none without a line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import reverse
from rest_framework.views import APIView

from project.asgi import application
from tasks.access.models import Token
from tasks.access.permissions import NO, OWN, RULES, Actor, grant
from tasks.engine import lifecycle
from tests.support.calls import Caller, call
from tests.support.people import person
from tests.support.routes import API, IMAGE, PUBLIC, actions, known, walk

pytestmark = pytest.mark.django_db

NOBODYS = "0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a"
NAMES = ("charlie", "vera", "alice", "ada")
SCOPES = ("read", "submit", "manage")
ACTORS = [(None, None), *((name, scope) for name in NAMES for scope in (None, *SCOPES))]
ON_EVERY_DATABASE = {(None, None), ("alice", None), ("ada", None), ("ada", "manage")}  # the others reach no more rows
EACH_ACTOR = [
    pytest.param(*each, marks=[] if each in ON_EVERY_DATABASE else [pytest.mark.pure], id="-".join(filter(None, each)))
    for each in ACTORS
]
KNOWN = known()
ONCE = {route: said for route, said in KNOWN.items() if not route.startswith("api/v1/")}  # the same views as below api/
WALKED = [(route, method, action) for route, said in ONCE.items() for method, action in actions(said).items()]
ADMIN = [route for route, _ in walk() if route.startswith("admin/")]


def path_of(route: str, job: str = NOBODYS) -> str:
    """An address that the route matches; it names a job of Ada's where it names a job."""
    if route == IMAGE:
        return f"/collections/{NOBODYS}/{'0' * 64}.jpg"
    owned = re.sub(r"jobs/<uuid:uid>", f"jobs/{job}", route)
    filled = re.sub(r"<uuid:\w+>", NOBODYS, owned).replace("<name:kind>", "noop")
    filled = re.sub(r"<(str|path|slug):\w+>", "x", filled)
    return "/" + re.sub(r"<int:\w+>", "7", filled)


def test_every_route_has_its_line_and_every_line_its_route():
    found = {route for route, _ in walk() if not route.startswith("admin/")}
    assert found - KNOWN.keys() == set(), "a route that the table does not know: who may use it?"
    assert KNOWN.keys() - found == set(), "lines of the table without a route"
    assert {action for _, _, action in WALKED} <= RULES.keys()


@pytest.mark.parametrize("route", API)
def test_a_view_of_the_api_has_no_method_beside_those_of_its_line(route):
    (view,) = {pattern.callback.cls for found, pattern in walk() if found == f"api/{route}"}
    assert view in {pattern.callback.cls for found, pattern in walk() if found == f"api/v1/{route}"}
    methods = {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"OPTIONS", "HEAD"}
    assert view.actions == actions(API[route])
    assert methods == set(view.actions)


@pytest.mark.long
@pytest.mark.parametrize(("name", "scope"), EACH_ACTOR)
def test_every_role_and_scope_at_every_route(name, scope):
    """Allowed is what is neither sent to the login page nor refused; whether the request makes sense is not asked."""
    job = lifecycle.submit("noop", {}, owner=person("ada"))[0]
    caller, actor, wrong = call(name, scope), acting(name, scope), []
    for route, method, action in WALKED:
        path, is_api = path_of(route, str(job.uid)), route.startswith("api/") and route != "api/docs/"
        with undone(caller):
            answer = send(caller, method, path, is_api)
        expected = verdict(actor, action, is_api or route == "metrics", about_a_job="jobs/<uuid" in route)
        if judged(answer) != expected or answer.status_code >= 500:
            wrong.append((method, route, expected, answer.status_code, answer.content[:200]))
    assert wrong == []


@contextmanager
def undone(caller: Caller) -> Iterator[None]:
    """What a request has written is taken back, and the caller is logged in as before."""
    cookies = deepcopy(caller.client.cookies)
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    caller.client.cookies = cookies


def send(caller: Caller, method: str, path: str, is_api: bool) -> Any:
    if is_api:
        return caller.send(method, path, {} if method in ("POST", "PATCH", "PUT") else None)
    return caller.client.generic(method, path, b"", "application/x-www-form-urlencoded", headers=caller.headers)


def acting(name: str | None, scope: str | None) -> Actor | None:
    if name is None:
        return None
    person_ = Actor.of(person(name))
    return Actor(person_.user, person_.role, Token(user=person_.user, scope=scope) if scope else None)


def verdict(actor: Actor | None, action: str, takes_tokens: bool, about_a_job: bool) -> str:
    if actor is None or (actor.token and not takes_tokens):
        return "unauthenticated"
    granted = grant(actor, action)
    if granted == OWN and about_a_job and actor.user.username != "ada":
        return "unknown"
    return "refused" if granted == NO else "allowed"


def judged(answer: Any) -> str:
    to_login = answer.status_code == 302 and answer["Location"].startswith(f"{reverse('login')}?next=")
    if answer.status_code == 401 or to_login:
        return "unauthenticated"
    if answer.status_code == 404 and getattr(answer, "problem", None) == "unknown-job":
        return "unknown"
    return "refused" if answer.status_code == 403 else "allowed"


@pytest.mark.long
@pytest.mark.parametrize(("name", "scope"), [(None, None), *((name, None) for name in NAMES), ("ada", "manage")])
def test_djangos_admin_is_for_admins(name, scope):
    caller, wrong = call(name, scope), []
    for route in ADMIN:
        with undone(caller):
            answer = caller.client.get(path_of(route) if "?P" not in route else "/admin/door/")
        if name == "ada" and scope is None:
            right = answer.status_code < 500 and judged(answer) != "unauthenticated"
        else:
            right = judged(answer) in ("unauthenticated", "refused") or answer.status_code in (302, 403)
            right = right and b"<form" not in answer.content
        if not right:
            wrong.append((route, answer.status_code, answer.content[:200]))
    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize("route", [route for route, said in KNOWN.items() if said != PUBLIC and "api/" not in route])
def test_no_get_changes_anything(route):
    methods = actions(KNOWN[route])
    if "GET" not in methods:
        assert call("ada").client.get(path_of(route)).status_code == 405


@pytest.mark.long
def test_a_post_of_a_browser_needs_its_csrf_token():
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(person("ada"), "django.contrib.auth.backends.ModelBackend")
    job = lifecycle.submit("noop", {}, owner=person("ada"))[0]
    for route, method, _ in WALKED:
        if method in ("POST", "DELETE", "PATCH"):
            answer = client.generic(method, path_of(route, str(job.uid)), b"{}", "application/json")
            assert answer.status_code == 403, route
    assert client.post("/login/", {}).status_code == client.post("/logout/").status_code == 403
    job.refresh_from_db()
    assert job.state == "queued"


@pytest.mark.long
@pytest.mark.pure
@pytest.mark.parametrize("route", ONCE)
def test_a_view_that_breaks_shows_nothing_of_its_insides(route, monkeypatch):
    def breaks(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the secret of the server")

    (pattern,) = [pattern for found, pattern in walk() if found == route]
    view = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", None)
    if view is None:
        monkeypatch.setattr(pattern, "callback", breaks)
    elif issubclass(view, APIView):
        monkeypatch.setattr(view, "initial", breaks)
    else:
        monkeypatch.setattr(view, "dispatch", breaks)
    answer = call("ada").get(path_of(route))
    assert answer.status_code == 500
    text = answer.content.decode()
    for word in ("secret of the server", "Traceback", "RuntimeError", str(settings.BASE_DIR), "site-packages"):
        assert word not in text
    assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-ID"])


@pytest.mark.parametrize("path", ["/", "/login/", "/jobs/", "/api/v1/jobs/", "/nowhere/", "/healthz", "/api/docs/"])
def test_the_headers_of_every_answer(path):
    answer = call("ada").get(path)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_nobody_from_another_origin_is_let_in_by_cors():
    for method in ("GET", "OPTIONS", "POST"):
        answer = call("ada").send(
            method, "jobs/", {}, Origin="https://evil.example", Access_Control_Request_Method="POST"
        )
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.django_db(transaction=True)
async def test_every_role_and_scope_at_the_socket():
    seen = {}
    for name, scope in ACTORS:
        headers = await handshake(name, scope)
        socket = WebsocketCommunicator(application, "/ws/live/", headers, subprotocols=["signalbox.v1"])
        connected, _ = await socket.connect(timeout=5)
        seen[name, scope] = connected
        await socket.disconnect()
    assert {actor for actor, connected in seen.items() if connected} == {
        (name, scope) for name in ("vera", "alice", "ada") for scope in (None, *SCOPES)
    }


async def handshake(name: str | None, scope: str | None) -> list[tuple[bytes, bytes]]:
    caller = await sync_to_async(call)(name, scope)
    headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    if scope:
        headers.append((b"authorization", caller.headers["Authorization"].encode()))
    elif name:
        cookie = caller.client.cookies["signalbox_session"].value
        headers.append((b"cookie", f"signalbox_session={cookie}".encode()))
    return headers

"""What happens to every request: it gets an id, its answer gets our headers, a refusal gets an audit entry.

Also the handlers for what Django itself refuses or breaks on. No answer shows internals.
"""

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.decorators import sync_and_async_middleware
from django.views import defaults

from tasks.access import audit
from tasks.access.hashers import Busy
from tasks.access.permissions import ROLES, Actor
from tasks.api import problems, versions
from tasks.engine.log_context import job_id, mask_secrets, request_id
from tasks.people import accounts

# Kubernetes, load balancers and Prometheus ask by address, whatever ALLOWED_HOSTS says; no answer says a host's name.
PROBES = {"/healthz", "/readyz", "/metrics"}
ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
REFUSED = {401: "not-authenticated", 403: "forbidden", 429: "too-many-requests"}
HEADERS = {
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store, private",  # the browser's Back shows nothing after a logout
}

log = logging.getLogger("signalbox.requests")


@sync_and_async_middleware
def guard(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The outermost middleware."""
    if iscoroutinefunction(get_response):

        async def guarded_async(request: HttpRequest) -> HttpResponseBase:
            began = begin(request)
            response = await get_response(request)
            if response.status_code in REFUSED:
                await sync_to_async(note)(request, response)
            return end(request, response, began)

        return guarded_async

    def guarded(request: HttpRequest) -> HttpResponseBase:
        began = begin(request)
        response = get_response(request)
        if response.status_code in REFUSED:
            note(request, response)
        return end(request, response, began)

    return guarded


def begin(request: HttpRequest) -> float:
    given = request.headers.get("X-Request-ID", "")
    request_id.set(given if ID.fullmatch(given) else uuid4().hex)
    job_id.set("")
    request.request_id = request_id.get()
    if request.path_info in PROBES:
        request.get_host = lambda: "probe.invalid"
    return time.monotonic()


def note(request: HttpRequest, response: HttpResponseBase) -> None:
    """Write an audit entry for a request that was refused. Its target is the address."""
    match = request.resolver_match
    action = getattr(request, "acted", "") or (match and match.url_name) or "open"
    code = getattr(request, "refusal", "") or REFUSED[response.status_code]
    audit.refused(request, action, mask_secrets(request.path_info), code, method=request.method)


def end(request: HttpRequest, response: HttpResponseBase, began: float) -> HttpResponseBase:
    response["X-Request-ID"] = request.request_id
    for name, value in HEADERS.items():
        response.setdefault(name, value)
    if f"{request.path_info}/".startswith("/api/"):
        response.setdefault(versions.HEADER, versions.NEWEST)
    level = logging.DEBUG if request.method in ("GET", "HEAD") and response.status_code < 500 else logging.INFO
    took = (time.monotonic() - began) * 1000
    log.log(level, "%s %s %d %.0f ms", request.method, audit.plain(request.path, 200), response.status_code, took)
    return response


# --- what Django itself refuses or breaks on: ROOT_URLCONF names these ---------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400; or 413 for a body over a limit, which Django calls suspicious."""
    if isinstance(exception, (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)):
        return problem(request, "too-large") or HttpResponse("Too large.\n", status=413, content_type="text/plain")
    return problem(request, "bad-request") or defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if (found := problem(request, "forbidden")) is not None:
        return found
    user = getattr(request, "user", None)
    known = bool(user and user.is_authenticated)
    context = {"no_role": known and Actor.of(user).role not in ROLES, "admins": accounts.admins() if known else []}
    return HttpResponse(render_to_string("403.html", context, request), status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, "not-found") or defaults.page_not_found(request, exception)


def broken(request: HttpRequest) -> HttpResponse:
    """500; or 503 when the database is busy or away, or too many log in: nothing was done, and soon it may be."""
    busy = isinstance(sys.exc_info()[1], (OperationalError, InterfaceError, Busy))
    answer = problem(request, "unavailable" if busy else "internal")
    if answer is None:
        answer = HttpResponse(render_to_string("503.html"), status=503) if busy else defaults.server_error(request)
    if busy:
        answer["Retry-After"] = str(problems.BUSY_S)
    return answer


def problem(request: HttpRequest, code: str) -> HttpResponse | None:
    """The problem, if it is the API that was called."""
    if not request.path_info.startswith("/api/"):
        return None
    body = problems.body(code)
    answer = JsonResponse(body, status=body["status"], content_type=problems.MEDIA_TYPE)
    answer[versions.HEADER] = versions.NEWEST
    return answer

"""Every way in which the API says no, as RFC 9457 problems. Sockets use the same codes.

CATALOGUE is the whole list. ``answer`` turns any exception into one of them, and shows no internals.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from tasks.access.quotas import TooMany
from tasks.engine.errors import Refused
from tasks.engine.log_context import request_id
from tasks.engine.models import Job
from tasks.engine.registry import UnknownKind
from tasks.engine.sealing import Unsealable
from tasks.params.signature import ParamError, TooLarge

MEDIA_TYPE = "application/problem+json"
BUSY_S = 2  # seconds until a database that was busy is worth another try

log = logging.getLogger(__name__)


class ProblemKind(NamedTuple):
    status: int
    title: str
    meaning: str


CATALOGUE = {
    "bad-input": ProblemKind(
        400, "Something in the request is wrong", "`errors` says for each field or parameter what."
    ),
    "bad-json": ProblemKind(400, "The body is not JSON", "The body could not be read as JSON in UTF-8."),
    "bad-request": ProblemKind(
        400, "The request makes no sense", "For instance, its Host header names a host that is not ours."
    ),
    "unknown-version": ProblemKind(
        400,
        "There is no such version",
        "`versions` lists those there are. 404 when the path names it, 406 when the media type does.",
    ),
    "version-conflict": ProblemKind(
        400, "The request names two versions", "Name one, in one way, or none for the newest."
    ),
    "not-authenticated": ProblemKind(
        401,
        "Not logged in",
        "No token, an unknown, expired or revoked one, or no session. Programs send `Authorization: Token <token>`.",
    ),
    "forbidden": ProblemKind(403, "Not allowed", "Your role, or the scope of your token, does not allow this."),
    "csrf": ProblemKind(403, "The CSRF token is missing or wrong", "Browsers send it in the X-CSRFToken header."),
    "not-found": ProblemKind(404, "There is nothing here", "The address is wrong, or what it named is gone."),
    "unknown-job": ProblemKind(404, "There is no such job", "Or it is not yours to see: the answer is the same."),
    "method-not-allowed": ProblemKind(
        405, "This method is not for this address", "The Allow header names those that are."
    ),
    "not-acceptable": ProblemKind(406, "Only JSON is served here", "The Accept header must allow application/json."),
    "not-in-this-state": ProblemKind(409, "The job's state does not allow this", "`job` is the job as it is now."),
    "conflict": ProblemKind(409, "Something stands against this", "`detail` says what."),
    "too-large": ProblemKind(
        413, "Too large", "A body has at most 1 MiB, parameters 64 KiB, a frame of the socket 64 KiB."
    ),
    "unsupported-media-type": ProblemKind(415, "The body is of a type that is not read here", "Send application/json."),
    "key-reused": ProblemKind(422, "This Idempotency-Key belongs to another request", "A new request needs a new key."),
    "too-many-requests": ProblemKind(429, "Too many requests", "Wait for as many seconds as Retry-After says."),
    "internal": ProblemKind(
        500, "Something went wrong here", "It is in our log, under the number that `request` gives."
    ),
    "unavailable": ProblemKind(
        503, "Not available now", "The database is busy or away. Retry-After says when to try again."
    ),
    "bad-frame": ProblemKind(400, "Not a frame of the protocol", "Socket only: it is closed with 4400 and the reason."),
    "too-many-jobs": ProblemKind(429, "Too many jobs watched", "Socket only: one socket watches at most 50 jobs."),
}


class Problem(exceptions.APIException):
    """A problem of the catalogue. ``more``: further members of the body, such as ``errors`` or ``versions``."""

    def __init__(
        self, code: str, detail: str = "", *, status: int = 0, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        kind = CATALOGUE[code]
        super().__init__(detail or kind.title, code)
        self.code, self.status_code = code, status or kind.status
        self.sentence, self.headers, self.more = detail or kind.meaning, dict(headers or {}), more

    def body(self) -> dict[str, Any]:
        return body(self.code, self.status_code, self.sentence, **self.more)


def body(code: str, status: int = 0, detail: str = "", **more: Any) -> dict[str, Any]:
    kind = CATALOGUE[code]
    about = {"type": f"/problems/{code}", "title": kind.title, "status": status or kind.status}
    return about | {"detail": detail or kind.meaning} | more


def wrong(**errors: str | list[str]) -> Problem:
    """Bad input, field by field."""
    said = {name: [text] if isinstance(text, str) else list(text) for name, text in errors.items()}
    return Problem("bad-input", errors=said)


def of(error: Exception) -> Problem:
    """The problem that an exception is."""
    match error:
        case Problem():
            return error
        case TooLarge():
            return Problem("too-large", str(error), errors={"params": error.errors[""]})
        case ParamError():
            return wrong(**{f"params.{name}" if name else "params": said for name, said in error.errors.items()})
        case UnknownKind():
            return wrong(kind=str(error.args[0]))
        case Refused():
            job = getattr(error, "job", None)
            return Problem(error.code, str(error), **({"job": job.summary()} if job else {}))
        case Unsealable():
            return Problem("conflict", str(error))
        case Job.DoesNotExist():
            return Problem("unknown-job")
        case RequestDataTooBig():
            return Problem("too-large")
        case SuspiciousOperation() | UnreadablePostError():
            return Problem("bad-request")
        case OperationalError() | InterfaceError():
            return Problem("unavailable", headers={"Retry-After": str(BUSY_S)})
        case Http404():
            return Problem("not-found")
        case TooMany():
            return Problem("too-many-requests", str(error), headers={"Retry-After": str(error.wait_s)})
        case PermissionDenied():
            return Problem("forbidden", str(error))
        case exceptions.APIException():
            return _of_the_framework(error)
    return Problem("internal", request=request_id.get())


def _of_the_framework(error: exceptions.APIException) -> Problem:
    headers = {}
    match error:
        case exceptions.ValidationError():
            return Problem("bad-input", errors=flat(error.detail))
        case exceptions.ParseError():
            return Problem("bad-json", str(error.detail))
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            headers = {"WWW-Authenticate": getattr(error, "auth_header", "Token")}
            return Problem("not-authenticated", headers=headers)
        case exceptions.PermissionDenied():
            csrf = str(error.detail).startswith("CSRF")
            return Problem("csrf" if csrf else "forbidden")
        case exceptions.NotFound():
            return Problem("not-found")
        case exceptions.MethodNotAllowed():
            return Problem("method-not-allowed", str(error.detail))
        case exceptions.NotAcceptable():
            return Problem("not-acceptable")
        case exceptions.UnsupportedMediaType():
            return Problem("unsupported-media-type")
        case exceptions.Throttled():
            return Problem("too-many-requests", headers={"Retry-After": str(int(error.wait or 1))})
    return Problem("bad-request", str(error.detail), status=error.status_code)


def flat(detail: Any, at: str = "") -> dict[str, list[str]]:
    """DRF's nested errors as field → sentences; a field inside another is ``outer.inner``, the whole body is ``""``."""
    if isinstance(detail, Mapping):
        found: dict[str, list[str]] = {}
        for name, inner in detail.items():
            name = "" if name == "non_field_errors" else str(name)
            found |= flat(inner, f"{at}.{name}".strip("."))
        return found
    if isinstance(detail, list) and any(isinstance(inner, (Mapping, list)) for inner in detail):
        return flat({str(number): inner for number, inner in enumerate(detail)}, at)
    return {at: [str(text) for text in (detail if isinstance(detail, list) else [detail])]}


def answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler."""
    problem, request = of(error), context["request"]
    if problem.status_code >= 500:
        log.error("%s %s: %s", request.method, request.path, problem.code, exc_info=error)
    if problem.status_code in (401, 403, 429):
        request._request.refusal = problem.code  # for the audit trail, which the middleware writes
        request._request.acted = getattr(context["view"], "action", "")
    response = Response(problem.body(), status=problem.status_code, content_type=MEDIA_TYPE)
    for name, value in problem.headers.items():
        response[name] = value
    return response

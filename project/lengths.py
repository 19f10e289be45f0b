"""The head of every request has a length: nothing looks at an address or a header that is longer.

It stands before all else, for pages, the API and sockets alike. Each field has a length of its own. These bounds hold
where that was forgotten.
"""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest

from project.bodies import Application, refuse

PATH = 2_000  # bytes of a path, as it was sent
QUERY = 8_000  # bytes of a query: a search of 500 characters, each of them encoded in nine, and more
HEADER = 8_000  # bytes of one header, name and value; all cookies are one
HEADERS = 100
FIELD = 64 * 1024  # characters of one field of a form; parameters of a job have no more altogether
FIELD_NAME = 200


def bounded(application: Application) -> Application:
    """An ASGI application that refuses longer heads: 414 or 431, and 403 for a socket."""

    async def bounded_application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket") or (status := too_long(scope)) == 0:
            await application(scope, receive, send)
        elif scope["type"] == "http":
            await refuse(scope["path"][:PATH], send, status)
        else:
            await receive()
            await send({"type": "websocket.close"})  # before accept: HTTP 403

    return bounded_application


def too_long(scope: dict[str, Any]) -> int:
    """The status with which this head is refused; 0: it is none too long."""
    if len(scope.get("raw_path") or scope["path"].encode()) > PATH or len(scope["query_string"]) > QUERY:
        return 414
    headers = list(scope["headers"])
    if len(headers) > HEADERS or any(len(name) + len(value) > HEADER for name, value in headers):
        return 431
    return 0


class Request(ASGIRequest):
    """A request whose form has bounds, whoever reads it."""

    def _load_post_and_files(self) -> None:
        super()._load_post_and_files()
        for name, values in self._post.lists():
            if len(name) > FIELD_NAME or any(len(value) > FIELD for value in values):
                self._mark_post_parse_error()  # no later reader gets it
                raise RequestDataTooBig(f"A field of a form has at most {FIELD:,} characters.")

"""Bodies of requests, within bounds: none is kept in memory, and one that is larger than may be is refused unread.

Twisted parses each posted form before a view runs, in thirteen times its size of memory, and daphne queues a body
whole. ``project.daphne`` stops both: daphne queues places in the file that holds the body.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from project.prefix import within
from tasks.api import problems, versions
from tasks.web import upload_ticket

UPLOAD = "/collections/new/"
MOST = 4_000_000  # bytes of a body, but for an archive that is uploaded
IN_MEMORY = 100_000  # what Twisted, too, keeps there
PIECE = 64 * 1024
BODY_S, SLOWEST = 30.0, 10_000  # seconds that a body may take, and one more for each so many bytes
ANSWER_S = 60.0  # in which a reader takes the next piece of an answer

Application = Callable[[Any, Any, Any], Awaitable[None]]


def limit(path: str, cookies: bytes) -> int:
    """Bytes that a request to this path may have. Only a session with an upload ticket may send an archive."""
    if path != UPLOAD or not upload_ticket.is_valid(cookies):
        return MOST
    return int(settings.SIGNALBOX_UPLOAD_MB * 1_000_000) + MOST


def bounded(application: Application) -> Application:
    """An ASGI application that refuses larger bodies with 413 and stalled ones with 408, takes pieces of daphne's as
    the bytes they are, and cuts the line of whoever takes no answer."""

    async def bounded_application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        path = within(scope["path"], scope.get("root_path"))
        headers = dict(scope["headers"])
        most, taken, more = limit(path, headers.get(b"cookie", b"")), 0, True
        began = asyncio.get_running_loop().time()
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            await refuse(path, send)
            return

        async def received() -> dict[str, Any]:
            nonlocal taken, more
            try:
                async with asyncio.timeout_at(began + BODY_S + taken / SLOWEST if more else None):
                    message = await receive()
            except TimeoutError:
                await refuse(path, send, 408)
                return {"type": "http.disconnect"}
            if isinstance(message.get("body"), Piece):
                try:
                    message = {**message, "body": message["body"].read()}
                except ValueError:  # the file is closed: the other side has left
                    return {"type": "http.disconnect"}
            more = message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > most:
                await refuse(path, send)
                return {"type": "http.disconnect"}
            return message

        async def sent(message: dict[str, Any]) -> None:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await send(message)
            except TimeoutError:  # ASGI has no message for that: uvicorn's send is a method of what owns the transport
                if transport := getattr(getattr(send, "__self__", None), "transport", None):
                    transport.abort()
                raise

        await application(scope, received, sent)

    return bounded_application


async def refuse(path: str, send: Callable[[Any], Awaitable[None]], status: int = 413) -> None:
    headers, body = refusal(path, status)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal(path: str, status: int = 413) -> tuple[list[tuple[bytes, bytes]], bytes]:
    api = path.startswith("/api/")
    code, words = ("bad-request", b"Too slow.\n") if status == 408 else ("too-large", b"Too large.\n")
    body = json.dumps(problems.body(code, status)).encode() if api else words
    kind = problems.MEDIA_TYPE if api else "text/plain"
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    return headers + [(versions.HEADER.lower().encode(), versions.NEWEST.encode())] * api, body


class Piece:
    """A place in a file, as long as what stands there."""

    __slots__ = ("_at", "_file", "_size")

    def __init__(self, file: Any, at: int, size: int) -> None:
        self._file, self._at, self._size = file, at, size

    def __len__(self) -> int:
        return self._size

    def read(self) -> bytes:
        self._file.seek(self._at)
        return self._file.read(self._size)


class Pieces:
    """A file of which ``read`` gives pieces."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._size, self._at = file, size, 0

    def read(self, size: int) -> Piece:
        piece = Piece(self._file, self._at, max(0, min(size, self._size - self._at)))
        self._at += len(piece)
        return piece

    def seek(self, place: int, whence: int = 0) -> None:
        self._at = place

    def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        return self._file.closed

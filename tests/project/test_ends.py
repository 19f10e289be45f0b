"""The end of a request is told whatever becomes of its answer: or its connection would never go back to the pool."""

import asyncio
from typing import Any

import pytest
from django.core import signals

from project.pages import Pages

SCOPE = {
    "type": "http", "method": "GET", "scheme": "http", "path": "/healthz", "raw_path": b"/healthz", "query_string": b"",
    "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("localhost", 80),
}  # fmt: skip


@pytest.mark.parametrize("error", [OSError("the reader is gone"), TimeoutError("it takes nothing"), None])
def test_a_request_whose_answer_cannot_be_sent_ends_once(error: Exception | None) -> None:
    ended: list[Any] = []

    def end(sender: Any, **_: Any) -> None:
        ended.append(sender)

    async def ask() -> None:
        brought = iter([{"type": "http.request", "body": b""}])

        async def receive() -> dict[str, Any]:
            return next(brought, None) or await asyncio.Event().wait()

        async def send(message: dict[str, Any]) -> None:
            if error and message["type"] == "http.response.body":
                raise error

        await Pages()(dict(SCOPE), receive, send)

    signals.request_finished.connect(end)
    try:
        if error:
            with pytest.raises(type(error)):
                asyncio.run(ask())
        else:
            asyncio.run(ask())
    finally:
        signals.request_finished.disconnect(end)
    assert len(ended) == 1

"""The server's end of a page's WebSocket, in the hands of the test; and the jobs it tells of."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

from tests.support.live_parts import summary

BEGUN = datetime.now(UTC)


class Line:
    """Stands in for the server on the pages opened after it was made. ``received``: what the page said, in order."""

    def __init__(self, page: Page, greet: Callable[["Line"], None] | None = None) -> None:
        self.page, self.greet = page, greet
        self.sockets: list[WebSocketRoute] = []
        self.received: list[dict[str, Any]] = []
        self.n = 0
        page.route_web_socket("**/ws/live/", self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(self._hear)

    def _hear(self, message: str) -> None:
        self.received.append(json.loads(message))
        if self.greet and self.received[-1]["type"] == "watch" and {"board", "job"} & self.received[-1].keys():
            self.greet(self)

    def send(self, type: str, age: float = 0.0, **members: Any) -> None:
        counted = {"n": self._next()} if type in ("snapshot", "patch", "job") else {}
        frame = {"type": type, **counted, "as_of": instant(), "age": age, **members}
        self.sockets[-1].send(json.dumps(frame))

    def _next(self) -> int:
        self.n += 1
        return self.n

    def close(self, code: int, reason: str = "") -> None:
        self.sockets[-1].close(code=code, reason=reason)


def instant(seconds: float = 0.0, base: datetime | None = None) -> str:
    """Now, or some seconds from now, as frames say it."""
    return ((base or datetime.now(UTC)) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def uid(n: int) -> str:
    return f"01999999-0000-7000-8000-{n:012x}"


def job(
    n: int, state: str = "running", version: int = 1, done: int = 0, total: int = 10, **more: Any
) -> dict[str, Any]:
    """A summary; jobs with a larger number were made, started and ended later."""
    moment = partial(instant, base=BEGUN)
    ended = state in ("succeeded", "failed", "cancelled")
    kind, note = more.pop("kind", f"kind_{n}"), more.pop("note", "")
    return summary(uid(n), version, state) | {
        "kind": kind, "attempt": 1, "progress": {"done": done, "total": total, "note": note}, "worker": "w1@host",
        "created_at": moment(-1000 + n), "due_at": moment(60 + n) if state == "retrying" else None,
        "started_at": moment(-900 + n), "finished_at": moment(-800 + n) if ended else None,
    } | more  # fmt: skip


def stats(**counts: int) -> dict[str, Any]:
    now = dict.fromkeys(("scheduled", "queued", "running", "retrying"), 0)
    last_hour = dict.fromkeys(("succeeded", "failed", "cancelled"), 0)
    for state, n in counts.items():
        (now if state in now else last_hour)[state] = n
    return {"now": now, "last_hour": last_hour}

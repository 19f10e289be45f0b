"""The hub's state for one browser: what it watches, what it has got, and whether it can take more.

At most four frames stay unacknowledged and at most one write runs, so no queue grows for a slow reader. What it misses
stays in the shared board. Knows the ASGI ``send`` of its socket, no jobs and no database.
"""

import asyncio
import contextlib
import logging
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from live.board import Place
from live.frames import Agreed
from live.topics import NOWHERE

log = logging.getLogger(__name__)

WINDOW = 4
PATIENCE_S = 30.0  # something waits and nothing is acknowledged: the reader is too slow
CLOSE_S = 5.0  # for a close frame to get through; then the connection is cut
REASON = 123  # bytes, as a close frame has room; a longer one would be no close frame at all
UNSENT = 50  # beats and errors behind a blocked write; a reader that causes more is not reading


class Mailbox:
    """What the hub keeps for one socket."""

    __slots__ = (
        "acknowledged", "agreed", "apps", "board", "closing", "follows", "gauges", "inflight", "joined", "n",
        "news_place", "place", "send", "task", "topics", "unsent", "visitor", "waiting_since", "written",
    )  # fmt: skip

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]], visitor: Any) -> None:
        self.send = send
        self.visitor = visitor
        self.board = False  # does it watch the board?
        self.apps = False  # with the tasks of watched applications?
        self.place: Place | None = None  # how far it has come with it; None: it needs a snapshot
        self.topics: frozenset[str] = frozenset()  # of the news that it watches
        self.news_place = NOWHERE  # how far it has come with them
        self.agreed: Agreed | None = None  # when all that it was shown agreed with the database
        self.follows: dict[str, Any] = {}  # job id → how far it has come with that job
        self.gauges: dict[str, int] = {}  # name → the revision that it has
        self.n = 0  # of the last frame sent
        self.joined = time.monotonic()
        self.inflight: deque[int] = deque()
        self.acknowledged = 0.0  # when
        self.waiting_since: float | None = None
        self.task: asyncio.Task | None = None  # a write that could not finish at once
        self.unsent: deque[dict[str, Any]] = deque()
        self.closing = False
        self.written: Callable[[Mailbox], None] | None = None  # called when a blocked write is over

    @property
    def ready(self) -> bool:
        return self.task is None and len(self.inflight) < WINDOW and not self.closing

    def post(self, n: int, text: str) -> None:
        """Send a numbered frame, which the client must acknowledge."""
        self.n = n
        self.inflight.append(n)
        self.waiting_since = None
        self._write({"type": "websocket.send", "text": text})

    def tell(self, text: str) -> None:
        """Send a beat or an error, which have no number and need no acknowledgement."""
        if not self.closing:
            self._write({"type": "websocket.send", "text": text})

    def ack(self, n: int, now: float) -> None:
        if self.inflight and n >= self.inflight[0]:
            while self.inflight and self.inflight[0] <= n:
                self.inflight.popleft()
            self.acknowledged = now
            self.waiting_since = None

    def wait(self, now: float) -> None:
        """Note that a frame waits which this socket cannot take yet."""
        if self.waiting_since is None:
            self.waiting_since = now

    def too_slow(self, now: float) -> bool:
        return self.waiting_since is not None and now - self.waiting_since > PATIENCE_S

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, and abort the connection if that does not get through. The consumer sees a disconnect."""
        if self.closing:
            return
        self.closing = True
        self.unsent.clear()
        short = reason.encode()[:REASON].decode(errors="ignore")
        self._write({"type": "websocket.close", "code": code, "reason": short})
        if self.task is not None:
            asyncio.get_running_loop().call_later(CLOSE_S, self._cut)

    def left(self) -> None:
        """Stop a running write: the socket is gone."""
        self.closing = True
        self.unsent.clear()
        if self.task is not None:
            self.task.cancel()

    def _write(self, message: dict[str, Any]) -> None:
        """Write without a task, as nearly every write can. Only a write that blocks gets a task."""
        if self.task is not None:
            if len(self.unsent) < UNSENT:
                self.unsent.append(message)
            return
        step = self.send(message).__await__()
        try:
            waiting = next(step)
        except StopIteration:
            return
        except Exception as error:
            self._failed(error)
            return
        self.task = asyncio.get_running_loop().create_task(self._finish(step, waiting))

    async def _finish(self, step: Iterator, waiting: Any) -> None:
        failure = None
        try:
            await _resume(step, waiting)
            while self.unsent:
                await self.send(self.unsent.popleft())
        except Exception as error:
            failure = error
        finally:
            self.task = None
        if failure is not None:
            self._failed(failure)
        elif self.written is not None:
            self.written(self)

    def _failed(self, error: Exception) -> None:
        """Close after a failed write. An OSError means that the client has left and the disconnect will follow."""
        self.closing = True
        if not isinstance(error, OSError):
            log.error("a frame could not be written", exc_info=error)
            self.task = asyncio.get_running_loop().create_task(self._give_up())

    async def _give_up(self) -> None:
        with contextlib.suppress(Exception):
            await self.send({"type": "websocket.close", "code": 1011, "reason": "a frame could not be sent"})

    def _cut(self) -> None:
        """Cut the connection. ASGI has no message for that: uvicorn's ``send`` is a method of what owns the transport.

        (Daphne's own close handshake gives up after a second, and never blocks a sender.)
        """
        transport = getattr(getattr(self.send, "__self__", None), "transport", None)
        if self.task is not None and transport is not None:
            transport.abort()


@types.coroutine
def _resume(step: Iterator, waiting: Any) -> Iterator:
    """Go on with a coroutine that was started by hand and yielded the future it waits for."""
    try:
        yield waiting
    except BaseException as error:
        step.throw(error)
        raise
    yield from step

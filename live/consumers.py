"""One browser's WebSocket: it authenticates the client and reads its frames. Commands go by HTTP.

A Channels consumer with its own dispatch: Channels would enter a thread before every message. It has no channel of its
own, since the hub writes to sockets itself.
"""

import json
import logging
import time
from typing import Any
from uuid import UUID

from channels.consumer import AsyncConsumer

from live import auth, frames, hub
from live.job_feeds import UNKNOWN
from live.mailbox import Mailbox
from tasks.queries.gauges import NAMES

SUBPROTOCOL = "signalbox.v1"
FRAME_LIMIT = 64 * 1024
RATE, BURST = 200.0, 400.0  # frames a second that a client may send, and how many more at once
LOOK_UP = 5  # what watching a job costs beside its frame: it makes the server read
WATCHED = 50  # jobs at once, and topics
TOPIC = 250  # characters
SHOWN = 20  # characters of what a client sent, that a reason repeats
BAD_FRAME = 4400

log = logging.getLogger(__name__)


class BadFrame(ValueError):
    """The client's frame is not part of the protocol; the text says why."""


class LiveConsumer(AsyncConsumer):
    """``/ws/live/``, protocol ``signalbox.v1``: see docs/protocol.md."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()  # websocket.connect
        self.hub = hub.current()
        offered = scope.get("subprotocols") or []
        try:
            visitor = await self.hub.clerk.run(auth.authenticate, scope)
        except Exception:
            log.exception("a visitor could not be looked up")
            await send({"type": "websocket.accept"})
            return await send({"type": "websocket.close", "code": 1013, "reason": "the database does not answer"})
        finally:
            self.hub = hub.current()  # an earlier hub stops a minute after its last socket
            self.hub.linger()
        if visitor is None or (offered and SUBPROTOCOL not in offered):
            await self.hub.clerk.run(auth.note_refusal, scope)
            return await send({"type": "websocket.close"})  # before accept: HTTP 403
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        try:
            self.mailbox = self.hub.join(send, visitor)
        except hub.Full as full:
            return await send({"type": "websocket.close", "code": 1013, "reason": str(full)})
        try:
            await self._listen(receive)
        finally:
            self.hub.leave(self.mailbox)

    async def _listen(self, receive: Any) -> None:
        self.allowance, last = BURST, time.monotonic()
        while (message := await receive())["type"] != "websocket.disconnect":
            if self.mailbox.closing:
                continue
            now = time.monotonic()
            self.allowance, last = min(BURST, self.allowance + (now - last) * RATE), now
            try:
                self._spend(1)
                self._take(message)
            except BadFrame as bad:
                close(self.mailbox, BAD_FRAME, "bad-frame", str(bad))

    def _take(self, message: dict[str, Any]) -> None:
        text = message.get("text")
        if text is None:
            raise BadFrame("a binary frame")
        if len(text) > FRAME_LIMIT or len(text.encode()) > FRAME_LIMIT:
            close(self.mailbox, 1009, "too-large", f"a frame has at most {FRAME_LIMIT} bytes")
            return
        match parse(text):
            case {"type": "ack", "n": int(n)} if not isinstance(n, bool):
                self.hub.ack(self.mailbox, n)
            case {"type": "watch" | "unwatch" as verb, **what} if {"board", "job", "gauge", "news"} & what.keys():
                if "board" in what:
                    self._board(verb, what["board"], what.get("apps", False))
                if "job" in what:
                    self._job(verb, what["job"], what.get("after", 0))
                if "gauge" in what:
                    self._gauge(verb, what["gauge"])
                if "news" in what:
                    self._news(verb, what["news"])
            case {"type": "ack" | "watch" | "unwatch" as kind}:
                raise BadFrame(f"this is no {kind} frame of {SUBPROTOCOL}")
            case {"type": kind}:
                raise BadFrame(f"unknown type {str(kind)[:SHOWN]!r}")
            case _:
                raise BadFrame("not an object with a type")

    def _spend(self, cost: int) -> None:
        self.allowance -= cost
        if self.allowance < 0:
            raise BadFrame(f"more than {RATE:g} frames a second")

    def _board(self, verb: str, asked: Any, apps: Any) -> None:
        if asked is not True or not isinstance(apps, bool):
            raise BadFrame('"board" is true, or absent; "apps" is true or false')
        if verb == "unwatch":
            self.hub.unwatch_board(self.mailbox)
        elif self.mailbox.visitor.sees_all:
            self.hub.watch_board(self.mailbox, apps)
        else:
            self.mailbox.tell(frames.error("forbidden", "this token sees jobs of its owner only, not the board"))

    def _news(self, verb: str, topics: Any) -> None:
        if not isinstance(topics, list) or len(topics) > WATCHED or not all(map(is_topic, topics)):
            raise BadFrame(f'"news" is a list of topics, at most {WATCHED} of at most {TOPIC} characters')
        hidden = [topic for topic in topics if not self.mailbox.visitor.may_watch(topic)]
        if verb == "unwatch":
            self.hub.watch_news(self.mailbox, self.mailbox.topics - set(topics))
        elif hidden:
            self.mailbox.tell(frames.error("forbidden", "there is no such topic, or you may not watch it"))
        else:
            self.hub.watch_news(self.mailbox, frozenset(topics))

    def _job(self, verb: str, job: Any, after: Any) -> None:
        if not isinstance(job, str) or isinstance(after, bool) or not isinstance(after, int) or not 0 <= after < 2**63:
            raise BadFrame('"job" is an id, "after" a number from 0')
        try:
            uid = str(UUID(job[:100]))
        except ValueError:
            self.mailbox.tell(frames.error(*UNKNOWN, job=job[:100]))
            return
        if verb == "unwatch":
            self.hub.unwatch_job(self.mailbox, uid)
        elif uid not in self.mailbox.follows and len(self.mailbox.follows) >= WATCHED:
            self.mailbox.tell(frames.error("too-many-jobs", f"at most {WATCHED} jobs are watched at once", job=uid))
        else:
            self._spend(LOOK_UP)
            self.hub.watch_job(self.mailbox, uid, after)

    def _gauge(self, verb: str, name: Any) -> None:
        if not isinstance(name, str) or name not in NAMES:
            raise BadFrame(f"there is no gauge {str(name)[:SHOWN]!r}")
        if verb == "unwatch":
            self.mailbox.gauges.pop(name, None)
        elif not self.mailbox.visitor.sees_all:
            self.mailbox.tell(frames.error("forbidden", "this token sees jobs of its owner only, no gauges"))
        else:
            self.mailbox.gauges[name] = 0  # its value comes with the next reconcile, and whenever it has changed


async def nowhere(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse a socket at an unknown address."""
    await receive()
    await send({"type": "websocket.close"})  # before accept: HTTP 403


def is_topic(each: Any) -> bool:
    return isinstance(each, str) and len(each) <= TOPIC


def parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadFrame("not JSON") from None


def close(mailbox: Mailbox, code: int, error: str, reason: str) -> None:
    """Send the reason in an error frame and then close with it: some clients cannot read close frames."""
    mailbox.tell(frames.error(error, reason))
    mailbox.close(code, reason)

"""Patches of daphne: bodies are kept in files and within bounds, and sockets are closed with code and reason.

Daphne 4.2 drops the reason, and Autobahn lets an application close with 1000 and 3000 to 4999 only: 1009 (too large)
and 1013 (try again later) would raise and leave the socket open. RFC 6455 and its registry allow a server both.
Autobahn also cuts the connection of a client that sends too much, without a close frame that says so.
"""

import sys
from typing import Any

from project.bodies import IN_MEMORY, PIECE, Pieces, limit, refusal
from project.prefix import within


def teach() -> None:
    """Apply all patches, if this process has daphne. Harmless when repeated."""
    teach_bodies()
    teach_closing()


def teach_bodies() -> None:
    """If this process has daphne. Harmless when repeated."""
    daphne = sys.modules.get("daphne.http_protocol")
    if daphne is None or hasattr(daphne.WebRequest, "_signalbox_process"):
        return
    request = daphne.WebRequest
    request._signalbox_process, old_length, old_chunk, old_received = (
        request.process, request.gotLength, request.handleContentChunk, request.requestReceived,
    )  # fmt: skip

    def got_length(self: Any, length: int | None) -> None:
        path = getattr(self.channel, "_path", b"").partition(b"?")[0].decode("latin1")
        path = within(path)
        cookies = b"; ".join(self.requestHeaders.getRawHeaders(b"cookie", []))
        self._path, self._left, self._refused = path, limit(path, cookies), False
        old_length(self, None if length and length > self._left else length)
        if length and length > self._left:
            turn_away(self)

    def handle_chunk(self: Any, data: bytes) -> None:
        if self._refused:
            return
        self._left -= len(data)
        if self._left < 0:
            turn_away(self)
        else:
            old_chunk(self, data)

    def turn_away(self: Any) -> None:
        self._refused = True
        headers, body = refusal(self._path)
        lines = [b"HTTP/1.1 413 Content Too Large", *(name + b": " + value for name, value in headers), b"", body]
        self.channel.transport.write(b"\r\n".join(lines))
        self.channel.loseConnection()

    def received(self: Any, command: bytes, path: bytes, version: bytes) -> None:
        """Keep Twisted from parsing the body, which it does if it knows the type."""
        if self._refused:
            return
        self._types = self.requestHeaders.getRawHeaders(b"content-type")
        self.requestHeaders.removeHeader(b"content-type")
        old_received(self, command, path, version)

    def process(self: Any) -> Any:
        if self._types:
            self.requestHeaders.setRawHeaders(b"content-type", self._types)
        size = self.content.seek(0, 2)
        if size > IN_MEMORY:
            self.content = Pieces(self.content, size)
            self.server.request_buffer_size = PIECE
        return self._signalbox_process()

    request.process, request.gotLength, request.handleContentChunk = process, got_length, handle_chunk
    request.requestReceived = received


def teach_closing() -> None:
    """Give daphne's protocol a close with code and reason, if this process has daphne. Harmless when repeated."""
    daphne = sys.modules.get("daphne.ws_protocol")
    if daphne is None or hasattr(daphne.WebSocketProtocol, "_signalbox_reply"):
        return
    protocol, factory = daphne.WebSocketProtocol, daphne.WebSocketFactory
    protocol._signalbox_reply, factory._signalbox_init = protocol.handle_reply, factory.__init__

    def handle_reply(self: Any, message: dict[str, Any]) -> None:
        if message.get("type") == "websocket.close" and self.state == self.STATE_OPEN:
            reason = (message.get("reason") or "").encode()[:123].decode(errors="ignore").encode()
            self.sendCloseFrame(code=message.get("code") or 1000, reasonUtf8=reason)
        elif message.get("type") == "websocket.send" and self.state in (self.STATE_CLOSING, self.STATE_CLOSED):
            pass  # the other side has left, and the disconnect is on its way: Autobahn would raise
        else:
            self._signalbox_reply(message)

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        self._signalbox_init(*args, **kwargs)
        self.setProtocolOptions(failByDrop=False)

    protocol.handle_reply, factory.__init__ = handle_reply, init

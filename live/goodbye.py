"""Close frames as they were meant, under daphne too.

Daphne 4.2 drops the reason, and Autobahn lets an application close with 1000 and 3000 to 4999 only: 1009 (too large)
and 1013 (try again later) would raise and leave the socket open. RFC 6455 and its registry allow a server both. And
Autobahn cuts the line of whoever sends too much, without the close frame that would say so.
"""

import sys
from typing import Any


def teach_daphne() -> None:
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
        else:
            self._signalbox_reply(message)

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        self._signalbox_init(*args, **kwargs)
        self.setProtocolOptions(failByDrop=False)

    protocol.handle_reply, factory.__init__ = handle_reply, init

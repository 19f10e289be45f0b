"""What daphne is taught: a frame for a browser that has just left is no error."""

import pytest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

from project import daphne


@pytest.mark.parametrize("state", ["STATE_CLOSING", "STATE_CLOSED"])
def test_a_frame_for_a_socket_that_is_closing_is_dropped(state):
    daphne.teach_closing()
    protocol = WebSocketProtocol()
    protocol.factory = WebSocketFactory(None, server="test")
    protocol.state = getattr(protocol, state)
    protocol.handle_reply({"type": "websocket.send", "text": "{}"})

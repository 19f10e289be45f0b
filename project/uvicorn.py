"""Two patches of uvicorn. It closes a connection on which no whole head of a request comes, or one that never ends:
unpatched, it waits for ever and keeps whatever comes in memory. (`bodies` closes stalled bodies, under every server.)
And it rests while nobody asks: unpatched, it wakes ten times a second to see whether it shall end, which is most of
what an idle process costs.
"""

import asyncio
import signal
import sys
import threading
from importlib import import_module
from typing import Any

HEAD_S = 20.0  # seconds from the first byte, or from the connection, to the end of the head
HEAD_BYTES = 64 * 1024
TICK_S = 1.0  # the head "Date" is as old as that


def teach() -> None:
    """If this process has uvicorn. Harmless when repeated."""
    if "uvicorn" not in sys.modules:
        return
    import_module("uvicorn.server").Server.main_loop = main_loop
    bound_heads()


async def main_loop(self: Any) -> None:
    """Look once a second at the clock and at what has been served, and end at once when a signal comes."""
    signalled, loop = asyncio.Event(), asyncio.get_running_loop()

    def handle(number: int, frame: Any) -> None:
        self.handle_exit(number, frame)
        loop.call_soon_threadsafe(signalled.set)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn puts back what it has found here before
            signal.signal(number, handle)
    while not await self.on_tick(0):  # the ticks whose number ends with 0 read the clock
        try:
            async with asyncio.timeout(TICK_S):
                await signalled.wait()
        except TimeoutError:
            pass


def bound_heads() -> None:
    try:
        protocol = import_module("uvicorn.protocols.http.httptools_impl").HttpToolsProtocol
    except ImportError:  # without httptools it takes h11, which has a bound of its own for a head
        return
    if hasattr(protocol, "_signalbox_timer"):
        return
    protocol._signalbox_timer, protocol._signalbox_bytes = None, 0
    made, received, complete, lost = (
        protocol.connection_made, protocol.data_received, protocol.on_headers_complete, protocol.connection_lost,
    )  # fmt: skip

    def wait_for_head(self: Any) -> None:
        self._signalbox_timer, self._signalbox_bytes = self.loop.call_later(HEAD_S, self.transport.abort), 0

    def stop_waiting(self: Any) -> None:
        if self._signalbox_timer is not None:
            self._signalbox_timer.cancel()
            self._signalbox_timer = None

    def connection_made(self: Any, transport: Any) -> None:
        made(self, transport)
        wait_for_head(self)

    def data_received(self: Any, data: bytes) -> None:
        if self._signalbox_timer is None and (self.cycle is None or self.cycle.response_complete):
            wait_for_head(self)  # of the next request on the same connection
        if self._signalbox_timer is not None and self._signalbox_bytes > HEAD_BYTES:
            self.transport.abort()
            return
        self._signalbox_bytes += len(data)
        received(self, data)

    def on_headers_complete(self: Any) -> None:
        stop_waiting(self)
        complete(self)

    def connection_lost(self: Any, error: Exception | None) -> None:
        stop_waiting(self)
        lost(self, error)

    protocol.connection_made, protocol.data_received = connection_made, data_received
    protocol.on_headers_complete, protocol.connection_lost = on_headers_complete, connection_lost

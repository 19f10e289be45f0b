"""A TCP proxy of the tests' own: what passes through it can be delayed, slowed, held back, cut.

Each link has one weather at a time, for all its connections, changed from any thread. All links share one event loop in
one thread. It knows nothing of what it carries.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

CHUNK = 64 * 1024


@dataclass(frozen=True)
class Weather:
    """``delay`` seconds on the way (in both directions), ``rate`` bytes a second, ``hold`` everything (a link that
    loses all packets, until it heals), ``cut`` (what is open is reset, what comes is refused)."""

    delay: float = 0.0
    rate: float = 0.0
    hold: bool = False
    cut: bool = False


FAIR = Weather()
HELD = Weather(hold=True)
CUT = Weather(cut=True)


class Link:
    """One listening port, and where it leads. ``port`` stays the same for its whole life; ``to`` may change."""

    def __init__(self, proxy: "Proxy", port: int, *to: int) -> None:
        self.proxy, self.port, self.to = proxy, port, list(to)
        self.weather = FAIR
        self.opened = 0
        self._fair = asyncio.Event()
        self._fair.set()
        self._open: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()

    def set(self, weather: Weather) -> None:
        self.proxy.call(self._set(weather))

    def reset(self) -> int:
        """Reset what is open now; new connections pass. Returns how many."""
        return self.proxy.call(self._reset())

    async def _set(self, weather: Weather) -> None:
        self.weather = weather
        (self._fair.clear if weather.hold else self._fair.set)()
        if weather.cut:
            await self._reset()

    async def _reset(self) -> int:
        cut = list(self._open)
        for pair in cut:
            for writer in pair:
                _abort(writer)
        return len(cut)

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=CHUNK, backlog=512)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        with contextlib.suppress(asyncio.CancelledError):  # at the end of the rig; asyncio would print each
            await self._carry(reader, writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather.cut or (far := await self._dial()) is None:
            _abort(writer)
            return
        far_reader, far_writer = far
        pair, end = (writer, far_writer), _abort
        self._open.add(pair)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
            end = asyncio.StreamWriter.close
        except OSError:
            pass  # one side was reset: so is the other
        finally:
            self._open.discard(pair)
            for each in pair:
                end(each)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The first of the places behind this link that answers, as a load balancer does."""
        await self._fair.wait()
        for port in self.to:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port, limit=CHUNK)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction, in order. What is on its way arrives after the delay that held when it set out."""
        loop = asyncio.get_running_loop()
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)

        async def arrive() -> None:
            while True:
                due, data = await way.get()
                if (rest := due - loop.time()) > 0:
                    await asyncio.sleep(rest)
                await self._fair.wait()
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                if self.weather.rate:
                    await asyncio.sleep(len(data) / self.weather.rate)
                writer.write(data)
                await writer.drain()

        arriving = asyncio.ensure_future(arrive())
        try:
            while not arriving.done():
                await self._fair.wait()
                most = max(1, int(self.weather.rate / 10)) if self.weather.rate else CHUNK
                data = await reader.read(min(most, CHUNK))
                await way.put((loop.time() + self.weather.delay, data))
                if not data:
                    break
            await arriving
        finally:
            arriving.cancel()


class LoopThread:
    """An event loop in a thread of its own, and a way to run things on it."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def call(self, work: Coroutine[Any, Any, Any], timeout: float = 60) -> Any:
        """What the coroutine returns or raises on the loop; from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def close(self) -> None:
        async def end() -> None:
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        with contextlib.suppress(Exception):
            self.call(end(), 10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class Proxy(LoopThread):
    """The loop of all links."""

    def __init__(self) -> None:
        super().__init__("faults-proxy")
        self.links: list[Link] = []

    def link(self, port: int, *to: int) -> Link:
        made = Link(self, port, *to)
        self.call(made.start())
        self.links.append(made)
        return made

    def heal(self) -> None:
        for link in self.links:
            link.set(FAIR)

    def close(self) -> None:
        for link in self.links:
            self.loop.call_soon_threadsafe(link.server.close)
        super().close()


def _abort(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset, as a machine that died does when it is asked again."""
    with contextlib.suppress(Exception):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with contextlib.suppress(Exception):
        writer.transport.abort()

"""The browsers of bench/fanout.py: a process that opens many sockets, reads, and acknowledges.

    python bench/fanout_clients.py PORT SOCKETS ACKS [TOKEN]

Says `warm` after the first sockets, `connected` after the last, then for each line it is given how many patches came.
"""

import asyncio
import sys
from typing import Any

WARM = 20


class Client(asyncio.Protocol):
    """The least that a WebSocket client can be. Server frames are not masked; ours are, with zeros."""

    frames = 0

    def __init__(self, request: bytes, acks: int) -> None:
        self.request, self.acks, self.buffer, self.open, self.seen = request, acks, b"", False, 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.open:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self.open, self.buffer = True, rest
            self.say('{"type": "watch", "board": true}')
        while (end := self.frame_end()) and len(self.buffer) >= end[1]:
            payload, self.buffer = self.buffer[end[0] : end[1]], self.buffer[end[1] :]
            self.take(payload)

    def frame_end(self) -> tuple[int, int] | None:
        if len(self.buffer) < 10 and len(self.buffer) < 2 + (self.buffer[1] & 127 if len(self.buffer) > 1 else 2):
            return None
        size = self.buffer[1] & 127
        start = {126: 4, 127: 10}.get(size, 2)
        return start, start + (size if start == 2 else int.from_bytes(self.buffer[2:start]))

    def take(self, payload: bytes) -> None:
        if payload.startswith((b'{"type":"patch","n":', b'{"type":"snapshot","n":')):
            self.seen += 1
            Client.frames += payload[9] == ord("p")
            if self.acks and self.seen % self.acks == 0:
                n = payload[payload.index(b'"n":') + 4 : 60].partition(b",")[0].decode()
                self.say(f'{{"type":"ack","n":{n}}}')

    def say(self, text: str) -> None:
        self.transport.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())


async def clients(port: int, sockets: int, acks: int, token: str) -> None:
    request = (
        f"GET /ws/live/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Token {token}\r\n\r\n"
    ).encode()
    loop, kept = asyncio.get_running_loop(), []
    for number in range(sockets):
        kept.append((await loop.create_connection(lambda: Client(request, acks), "127.0.0.1", port))[1])
        if number % WARM == WARM - 1:
            while not all(each.open and (each.seen or not token) for each in kept):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        if number == WARM - 1:
            print("warm", flush=True)
    print("connected", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(Client.frames, flush=True)


if __name__ == "__main__":
    given = [*sys.argv[1:], ""][:4]
    asyncio.run(clients(*map(int, given[:3]), given[3]))

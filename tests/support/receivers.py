"""Real receivers of webhooks on loopback: they answer as asked, check signatures, and remember what came and when."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import AsyncMessage
from standardwebhooks import Webhook

from project import valkey
from tasks.channels.models import Channel
from tasks.engine import sealing
from tasks.webhooks import outbox
from tasks.webhooks.models import Endpoint

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class ReceivedRequest(NamedTuple):
    """One request."""

    at: datetime
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def payload(self) -> dict[str, Any]:
        return json.loads(self.body)

    def verified(self, secret: str = SECRET) -> dict[str, Any]:
        """The payload, if the package of Standard Webhooks agrees that it was signed with the secret."""
        return Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """``says``: a status, or what a function of the request's number (from 0) returns, which may be (status, headers).

    ``hold``: seconds before each answer, cut short when the receiver closes.
    """

    def __init__(self, says: int | Callable[[int], Any] = 204, hold: float = 0) -> None:
        self.received: list[ReceivedRequest] = []
        self.closing = threading.Event()
        me, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    number = len(me.received)
                    me.received.append(
                        ReceivedRequest(datetime.now(UTC), {k.lower(): v for k, v in self.headers.items()}, body)
                    )
                if hold:
                    me.closing.wait(hold)
                said = says(number) if callable(says) else says
                status, headers = said if isinstance(said, tuple) else (said, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"thank you" if status == 200 else b"")

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """The other side hung up: that is what some tests are about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def wait(self, count: int, seconds: float = 15) -> list[ReceivedRequest]:
        """The first ``count`` requests, as soon as they came."""
        end = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < end, f"{len(self.received)} of {count} requests came within {seconds:g} s"
            time.sleep(0.01)
        return self.received[:count]

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def receiver(says: int | Callable[[int], Any] = 204, hold: float = 0) -> Iterator[Receiver]:
    one = Receiver(says, hold)
    try:
        yield one
    finally:
        one.close()


def endpoint(url: str, **filters: Any) -> Endpoint:
    """A webhook with a secret that tests know."""
    return Endpoint.objects.create(url=url, secret=outbox.seal_secret(SECRET), **filters)


def channel(url: str, name: str = "ops") -> Channel:
    """A channel with this address, which nobody has judged yet."""
    return Channel.objects.create(name=name, service="Test", sealed=sealing.seal({"url": url}))


class Mailbox(AsyncMessage):
    """What a mail server took."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[EmailMessage] = []

    async def handle_message(self, message: Any) -> None:
        self.letters.append(message_from_bytes(bytes(message), policy=policy.default))


@contextmanager
def mail_server(handler: Any = None) -> Iterator[tuple[Mailbox, int]]:
    """A real SMTP server on loopback: what it took, and its port."""
    box = handler or Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=valkey.free_port())
    server.start()
    try:
        yield box, server.port
    finally:
        server.stop()

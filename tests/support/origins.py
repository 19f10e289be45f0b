"""Real servers on loopback that answer what a test tells them to, byte for byte, and remember who came."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import Fetcher, Lookup

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


@dataclass
class Origin:
    """One server: `heads` are the requests it got, `met` counts connections, `most` those at one time."""

    host: str
    port: int = 0
    scheme: str = "http"
    met: int = 0
    now: int = 0
    most: int = 0
    heads: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def reply(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def moved(place: str, status: str = "302 Found", *headers: str) -> bytes:
    return reply(b"elsewhere", status, f"Location: {place}", *headers)


@asynccontextmanager
async def origin(
    says: bytes | Callable[[bytes], bytes] | Speak, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Origin]:
    """A server that says the same to everybody, or what a function of the request's head says, or speaks for itself."""
    me = Origin(host, scheme="https" if tls else "http")
    talks: dict[asyncio.Task, asyncio.StreamWriter] = {}

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me.met, me.now = me.met + 1, me.now + 1
        me.most = max(me.most, me.now)
        talks[asyncio.current_task()] = writer
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            me.heads.append(head)
            if asyncio.iscoroutinefunction(says):
                await says(reader, writer, head)
            else:
                writer.write(says(head) if callable(says) else says)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            me.now -= 1
            del talks[asyncio.current_task()]
            writer.close()

    server = await asyncio.start_server(converse, host, 0, ssl=tls)
    me.port = server.sockets[0].getsockname()[1]
    try:
        yield me
    finally:
        server.close()
        for writer in talks.values():
            writer.transport.abort()
        if talks:
            await asyncio.wait(list(talks), timeout=2)


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of its own for `names`, and a client's context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))


def names(**known: str) -> Lookup:
    """A name server of our own for `*.test`: host → its addresses, separated by blanks."""

    async def lookup(host: str, port: int) -> list[str]:
        return known[host.removesuffix(".test")].split()

    return lookup


async def reason(url: str, **limits: Any) -> str:
    """Why `url` could not be fetched, or "fetched"."""
    async with Fetcher(**{"total": 5, **limits}) as fetcher:
        try:
            await fetcher.get(url)
        except FetchError as error:
            assert str(error).endswith(".")
            return error.reason
    return "fetched"

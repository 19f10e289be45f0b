"""The processes of the product as commands, and how to see that each of them is ready.

Production runs the same ones (docs/deployment.md). It knows no Django.
"""

import http.client
import os
import re
import socket
import sys
from functools import partial
from pathlib import Path

from project.supervisor import Part

ROOT = Path(__file__).resolve().parent.parent
# From wherever `up` was called: relative paths in the settings mean the same for every part, and ours is found.
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
MAX_MESSAGE = 64 * 1024  # bytes of one WebSocket message of a browser
DAPHNE = [
    "-v", "0", "--websocket_timeout", "-1", "--application-close-timeout", "3", "--no-server-name",
    # Its message sizes stay at 1 MiB: they bind what is sent as well, and the consumer refuses more than MAX_MESSAGE.
]  # fmt: skip
UVICORN = [
    "--ws", "websockets-sansio", "--loop", "uvloop", "--lifespan", "off", "--ws-per-message-deflate", "false",
    "--ws-max-size", str(MAX_MESSAGE), "--timeout-graceful-shutdown", "3", "--no-access-log", "--no-server-header",
    "--no-proxy-headers", "--log-level", "warning",
]  # fmt: skip


def python(*words: str) -> list[str]:
    return [sys.executable, *words]


def web(server: str, host: str, port: int, probe_host: str) -> Part:
    """``probe_host`` is the Host header with which the page is asked for."""
    where = ["--host" if server == "uvicorn" else "-b", host, "--port" if server == "uvicorn" else "-p", str(port)]
    options = UVICORN if server == "uvicorn" else DAPHNE
    command = python("-m", server, *options, *where, "project.asgi:application")
    return Part(
        "web", command, ready=partial(answers, host=reachable(host), port=port, name=probe_host), env=ENVIRONMENT
    )


def celery(*words: str) -> list[str]:
    # As root Celery warns of pickle, which the settings refuse.
    return python(
        "-W", "ignore:You're running the worker", "-m", "celery", "-A", "project.supervised", "--quiet", *words
    )


def worker(concurrency: int) -> Part:
    options = ["-n", "main@%h", "-l", "INFO", "--pool", "prefork", "--concurrency", str(concurrency)]
    return Part("worker", celery("worker", *options), ready=has_said_ready, env=ENVIRONMENT)


def beat() -> Part:
    return Part("beat", celery("beat", "-l", "INFO", "--pidfile="), ready=has_said_ready, env=ENVIRONMENT)


def observe() -> Part:
    """Watches other applications. A process of its own, as none of our settings may reach their brokers."""
    return Part("observe", python(str(ROOT / "manage.py"), "observe"), ready=has_said_ready, env=ENVIRONMENT)


def valkey(command: list[str], url: str) -> Part:
    return Part(
        "valkey", command, ready=partial(pongs, url=url), stop_first=False, mute=re.compile("Memory overcommit")
    )


def demo() -> Part:
    return Part("demo", python(str(ROOT / "manage.py"), "demo"))


def reachable(host: str) -> str:
    """The address at which a server that listens on ``host`` is reached from here."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound


def has_said_ready(part: Part) -> bool:
    return "ready" in part.words


def answers(part: Part, host: str, port: int, name: str) -> bool:
    """Whether a page, templates and all, really comes."""
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/login/", headers={"Host": name})
        return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def pongs(part: Part, url: str) -> bool:
    password, _, address = url.removeprefix("redis://:").partition("@")
    host, _, port = address.removesuffix("/0").partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=0.5) as link:
            link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            said = b""
            while said.count(b"\r\n") < 2 and (data := link.recv(256)):
                said += data
    except OSError:
        return False
    return said.endswith(b"+PONG\r\n")


def default_concurrency() -> int:
    return min(max(os.cpu_count() or 1, 2), 8)

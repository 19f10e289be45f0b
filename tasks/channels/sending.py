"""Asks the program of ``tasks.channels.outside`` to read an address or to send one message, within its time.

The program gets neither our environment nor our files. What it says is masked before anybody reads it.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import unquote

from django.conf import settings

from tasks.channels.services import HOSTED, MAIL, BadChannel, scheme_of
from tasks.engine import sealing
from tasks.fetch import addresses

TIME_S = 8.0
LOOKUP_S = 3.0  # for a name, while somebody waits for the form
SAID = 300
TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")  # where the machine keeps its own authorities
SHORT = 4  # characters; shorter parts of an address are no secrets
COMMON = frozenset({"https", "http", "hooks", "api", "smtp", "from", "true", "false", "mode"})
_program = threading.BoundedSemaphore(4)  # at once in one process: each takes 40 MB


class Answer(NamedTuple):
    """How one try went; ``said`` is one line without secrets."""

    at: datetime
    ok: bool
    said: str
    service: str = ""
    host: str = ""
    port: int = 0


def check(url: str) -> Answer:
    """The service that an address is of; BadChannel with one sentence for an address that no channel may have."""
    scheme = scheme_of(url)
    answer = _ask(url, do="check")
    if not answer.ok:
        raise BadChannel(answer.said or "This address cannot be used.")
    if (scheme in HOSTED or scheme in MAIL) and answer.host:
        _judge(answer.host, answer.port, mail=scheme in MAIL)
    return answer


def send(url: str, title: str, body: str, about: str = "info") -> Answer:
    """Send one message. ``about``: "info", "success", "warning" or "failure", which services show as a colour."""
    return _ask(url, do="send", title=title, body=body, type=about)


def secrets_of(url: str) -> list[str]:
    """The parts of an address that nobody may read: all but its scheme and the names of its options."""
    place, _, query = url.partition("://")[2].partition("?")
    parts = re.split(r"[/:@,]", place) + [part.partition("=")[2] for part in query.split("&")]
    kept = {form for part in parts for form in (part, unquote(part)) if len(form) >= SHORT}
    return [url, *sorted(kept - COMMON)]


def _judge(host: str, port: int, mail: bool) -> None:
    """The rule of the fetcher, before an address is kept. At sending, the program judges what it connects to."""
    if not addresses.valid_host(host):
        raise BadChannel("The address has no valid host name.")
    if not mail and port in addresses.BAD_PORTS - {0}:
        raise BadChannel(f"Port {port} belongs to another protocol.")
    try:
        found = [str(ip_address(host))]
    except ValueError:
        found = _resolve(host)
    for ip in found:
        if what := addresses.objection(ip, settings.SIGNALBOX_ALLOW_NETWORKS):
            raise BadChannel(f"{ip} is {what}, which channels may not reach.")


def _resolve(host: str) -> list[str]:
    """The addresses of a name; none when nobody answers in time: sending will find out."""
    found: list[str] = []

    def look() -> None:
        try:
            found.extend(str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return

    looking = threading.Thread(target=look, name="lookup", daemon=True)
    looking.start()
    looking.join(LOOKUP_S)
    return list(found)


def _ask(url: str, **asked: Any) -> Answer:
    at = datetime.now(UTC)
    secrets = secrets_of(url)
    given = json.dumps({"url": url, "allow": [str(each) for each in settings.SIGNALBOX_ALLOW_NETWORKS], **asked})
    environment = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(settings.BASE_DIR), *filter(None, sys.path)])),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "LC_ALL": "C.UTF-8",
    }
    environment |= {name: os.environ[name] for name in TRUST if name in os.environ}
    try:
        with _program:
            done = subprocess.run(
                [sys.executable, "-s", "-m", "tasks.channels.outside"],
                input=given.encode(),
                capture_output=True,
                cwd=settings.BASE_DIR,
                env=environment,
                timeout=TIME_S,
                check=False,
            )
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Answer(at, False, f"No answer within {TIME_S:g} s.")
    except (OSError, ValueError) as error:
        return Answer(at, False, f"The message could not be handed on: {type(error).__name__}.")
    host, port = str(said.get("host") or ""), int(said.get("port") or 0)
    open_parts = {host, str(port)} if url.partition("://")[0].lower() in HOSTED | MAIL else set()
    text = sealing.hide(" ".join(str(said.get("said", "")).split()), set(secrets) - open_parts)[:SAID]
    ok = bool(said.get("ok"))
    text = text or ("Sent." if ok else "The service did not take the message, and did not say why.")
    return Answer(at, ok, text, str(said.get("service") or ""), host, port)

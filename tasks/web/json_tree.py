"""Any JSON value as a readable tree for a page that stays light; static/js/parts/tree.js makes the same in the browser.

What is long is not shipped with the page: it shows its size and where it is to be had, by a JSON pointer (RFC 6901).
Knows no job and no HTML.
"""

import json
from typing import Any
from urllib.parse import quote

LONG = 4096  # bytes of a value that is shown by its size
BUDGET = 16_384  # bytes of a whole tree; what comes after them is shown by its size too
WHOLE = 65_536  # bytes of JSON: a frame of the socket carries no larger value, so no page begins to show one
SHORT = 64  # bytes of a value that is always shown
MANY = 20  # entries of a list that stands open
PREVIEW = 80  # characters

Node = dict[str, Any]


class NoSuchValue(LookupError):
    """The pointer leads nowhere."""


def planted(value: Any, at: str = "") -> Node:
    """The tree of ``value``. With ``at``, the address that serves its parts, what is long is left to that address."""
    if at and dumped(value, ascii=True) > WHOLE:
        return {"href": f"{at}?at=", "size": sized(dumped(value, ascii=True)), "preview": ""}
    return _Planting(at).node(value, "", 0)


def found(value: Any, pointer: str) -> Any:
    """The part of ``value`` that a JSON pointer leads to; raises NoSuchValue."""
    if pointer and not pointer.startswith("/"):
        raise NoSuchValue(pointer)
    for name in pointer.split("/")[1:]:
        name = name.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(value):
            value = value[int(name[:9])]
        else:
            raise NoSuchValue(pointer)
    return value


def dumped(value: Any, *, ascii: bool = False) -> int:
    """The bytes of a value as JSON; of a text, of the text itself."""
    if isinstance(value, str) and not ascii:
        return len(value.encode(errors="replace"))
    return len(json.dumps(value, ensure_ascii=ascii, separators=(",", ":")).encode(errors="replace"))


def written(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def counted(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value):,} in a list"
    return f"{len(value):,} field{'s' * (len(value) != 1)}"


def sized(n: int) -> str:
    return f"{n / 1024:.0f} KiB"


class _Planting:
    def __init__(self, at: str) -> None:
        self.at, self.left = at, BUDGET

    def node(self, value: Any, pointer: str, depth: int) -> Node:
        size = dumped(value)
        root = depth == 0 and isinstance(value, dict | list)
        if self.at and not root and (size > LONG or size > max(self.left, SHORT)):
            return _left_out(value, f"{self.at}?at={quote(pointer)}", size)
        if isinstance(value, dict | list) and value:
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            entries: list[tuple[str, Node]] = []
            for name, item in pairs:
                if self.at and self.left <= 0:
                    break
                self.left -= len(str(name))
                step = str(name).replace("~", "~0").replace("/", "~1")
                label = str(name + 1) if isinstance(value, list) else name
                entries.append((label, self.node(item, f"{pointer}/{step}", depth + 1)))
            more = len(value) - len(entries)
            rest = {"words": f"{more:,} more", "href": f"{self.at}?at={quote(pointer)}"} if more else None
            is_open = depth < 2 and len(value) <= MANY
            return {"entries": entries, "size": counted(value), "fold": depth > 0, "open": is_open, "rest": rest}
        kind, text = leaf(value)
        self.left -= size
        return {"type": kind, "text": text, "size": f"{sized(size)} of text", "fold": not self.at and size > LONG}


def _left_out(value: Any, href: str, size: int) -> Node:
    if isinstance(value, str):
        return {"href": href, "size": f"{sized(size)} of text", "preview": value[:PREVIEW].split("\n", 1)[0] + "…"}
    return {"href": href, "size": f"{counted(value)}, {sized(size)}", "preview": ""}


def leaf(value: Any) -> tuple[str, str]:
    match value:
        case None:
            return "null", "none"
        case bool():
            return "boolean", "yes" if value else "no"
        case "":
            return "empty", "empty text"
        case dict() | list():
            return "empty", "empty list" if isinstance(value, list) else "empty"
        case str():
            return "string", value
    return "number", str(value)

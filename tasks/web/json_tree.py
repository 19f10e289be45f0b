"""Any JSON value as a readable tree for a page that stays light.

Long or deep values are not part of the page. It shows their size and a link with a JSON pointer (RFC 6901). The
browser builds no tree itself: JavaScript rounds 9007199254740993, writes 1.0 as 1 and sorts names that are numbers.
This module knows no job.
"""

import json
from typing import Any
from urllib.parse import quote

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from tasks.engine.words import number_of, size

LONG = 4096  # bytes of a value that is shown by its size
BUDGET = 16_384  # bytes of a whole tree; what comes after them is shown by its size too
WHOLE = 65_536  # bytes of JSON: a frame of the socket carries no larger value, so no page begins to show one
SHORT = 64  # bytes of a value that is always shown
MANY = 20  # entries of a list that stands open
PREVIEW = 80  # characters
DEEPEST = 40  # levels of one tree; browsers nest some 500 elements

EMPTY = {dict: "empty", list: "empty list"}

Node = dict[str, Any]


class NoSuchValue(LookupError):
    """The pointer leads nowhere."""


def build_tree(value: Any, at: str = "", *, whole: bool = False, pointer: str = "") -> Node:
    """Build the tree of ``value``. ``at``: the URL that serves its parts; long and deep parts become links to it.

    ``whole``: only deep parts become links. ``pointer``: the position of ``value`` in the value that ``at`` serves.
    """
    if at and not whole and json_size(value, ascii=True) > WHOLE:
        return {"href": f"{at}?at={quote(pointer)}", "size": size(json_size(value, ascii=True)), "preview": ""}
    return _TreeBuilder(at, whole).node(value, pointer, 0)


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


def json_size(value: Any, *, ascii: bool = False) -> int:
    """The bytes of a value as JSON; of a text, of the text itself."""
    if isinstance(value, str) and not ascii:
        return len(value.encode(errors="replace"))
    return len(json.dumps(value, ensure_ascii=ascii, separators=(",", ":")).encode(errors="replace"))


def format_json(value: Any, indent: int | None = 2) -> str:
    """JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def counted(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value):,} in a list"
    return number_of(len(value), "field")


class _TreeBuilder:
    def __init__(self, at: str, whole: bool) -> None:
        self.at, self.whole, self.left = at, whole or not at, BUDGET

    def node(self, value: Any, pointer: str, depth: int) -> Node:
        weight = json_size(value)
        inside = isinstance(value, dict | list) and bool(value)
        root = depth == 0 and inside
        too_long = not (self.whole or root) and (weight > LONG or weight > max(self.left, SHORT))
        if self.at and (too_long or (inside and depth >= DEEPEST)):
            return _left_out(value, f"{self.at}?at={quote(pointer)}", weight)
        if inside and depth < DEEPEST:
            return self._branch(value, pointer, depth)
        kind, text = leaf(value)
        self.left -= weight
        return {"type": kind, "text": text, "size": f"{size(weight)} of text", "fold": not self.at and weight > LONG}

    def _branch(self, value: dict[str, Any] | list[Any], pointer: str, depth: int) -> Node:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        entries: list[tuple[str, Node]] = []
        for name, item in pairs:
            if not self.whole and self.left <= 0:
                break
            self.left -= len(str(name))
            step = str(name).replace("~", "~0").replace("/", "~1")
            label = str(name + 1) if isinstance(value, list) else name
            entries.append((label, self.node(item, f"{pointer}/{step}", depth + 1)))
        more = len(value) - len(entries)
        rest = {"words": f"{more:,} more", "href": f"{self.at}?at={quote(pointer)}"} if more else None
        is_open = depth < 2 and len(value) <= MANY
        return {"entries": entries, "size": counted(value), "fold": depth > 0, "open": is_open, "rest": rest}


def _left_out(value: Any, href: str, weight: int) -> Node:
    if isinstance(value, str):
        return {"href": href, "size": f"{size(weight)} of text", "preview": value[:PREVIEW].split("\n", 1)[0] + "…"}
    return {"href": href, "size": f"{counted(value)}, {size(weight)}", "preview": ""}


def leaf(value: Any) -> tuple[str, str]:
    match value:
        case None:
            return "null", "none"
        case bool():
            return "boolean", "yes" if value else "no"
        case "":
            return "empty", "empty text"
        case dict() | list():
            return ("string", format_json(value, indent=None)) if value else ("empty", EMPTY[type(value)])
        case str():
            return "string", value
    return "number", str(value)


# --- HTML ------------------------------------------------------------------------------------------------------


def shown(value: Any, at: str = "", **more: Any) -> SafeString:
    """Write the tree as HTML. No template: an include takes a dozen stack frames for each level."""
    try:
        return _branch(build_tree(value, at, **more))
    except RecursionError:  # none of ours is so deep: a result has 200 levels at most
        return format_html('<span class="left-out">{}</span>', "nested too deeply to be shown")


def _branch(node: Node) -> SafeString:
    if "href" in node:
        link = _button(node["href"], node["size"])
        return format_html('<span class="left-out">{} {}</span>', _leaf("string", node["preview"]), link)
    inside = _entries(node) if "entries" in node else _leaf(node["type"], node["text"])
    if not node["fold"]:
        return inside
    is_open = mark_safe(" open") if node.get("open") else ""
    return format_html("<details{}><summary>{}</summary>{}</details>", is_open, node["size"], inside)


def _entries(node: Node) -> SafeString:
    rows = [format_html("<dt>{}</dt><dd>{}</dd>", name, _branch(item)) for name, item in node["entries"]]
    if rest := node["rest"]:
        link = _button(rest["href"], f"all, {rest['words']}", mark_safe(" data-whole"))
        rows.append(format_html("<dt>…</dt><dd>{}</dd>", link))
    return format_html('<dl class="tree">{}</dl>', mark_safe("".join(rows)))  # noqa: S308 - escaped, each of them


def _leaf(kind: str, text: str) -> SafeString:
    return format_html('<span class="value" data-type="{}">{}</span>', kind, text)


def _button(href: str, words: str, more: str = "") -> SafeString:
    return format_html('<a class="button" data-look="small" href="{}" data-unfold{}>Show {}</a>', href, more, words)

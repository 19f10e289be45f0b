"""A job's title: one line that says what it is about, made from its parameters when its row is made.

A kind gives a format, ``"order {order_id}"``, of which only plain names are taken: no attributes, no indexes, no
conversions. Without one, the first short parameters are the title: ``order_id=8812, currency=EUR``.
"""

import json
from collections.abc import Collection, Mapping
from string import Formatter
from typing import Any

from tasks.engine.visible import in_one_line
from tasks.params.signature import MASK, Signature

LONGEST = 200  # letters, as the column has room
VALUE = 100  # letters of one value
SHORT = 40  # letters of a value that a title without a format shows
FIRST = 3  # parameters that such a title shows
HOW = 'a title takes names of parameters in braces and nothing else, as in "order {order_id}"'


def check_title(title: Any, signature: Signature) -> None:
    """TypeError with half a sentence for a format that is not safe, or that names what is no parameter."""
    if title is None:
        return
    if not isinstance(title, str) or not 0 < len(title) <= LONGEST:
        raise TypeError(f"title is a text of 1 to {LONGEST} letters, and not {title!r:.60}")
    try:
        names = [name for name, _ in _parts(title) if name is not None]
    except ValueError as wrong:
        raise TypeError(f"title {title!r:.60} cannot be read ({wrong}): {HOW}") from None
    known = {field.name for field in signature.fields}
    for name in names:
        if signature.extra is None and name not in known:
            raise TypeError(f"title names {name!r}, which is no parameter of the job")


def title_of(title: str | None, params: Mapping[str, Any], secrets: Collection[str] = ()) -> str:
    """The title of a job with these stored parameters, at most LONGEST letters. A secret is shown as ``•••``."""
    shown = {name: MASK if name in secrets and value is not None else value for name, value in params.items()}
    if title is None:
        text = ", ".join(f"{name}={_text(value)}" for name, value in _short(shown))
    else:
        text = "".join(_text(shown.get(each)) if each is not None else words for each, words in _parts(title))
    text = in_one_line(text[:LONGEST]).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _parts(title: str) -> list[tuple[str | None, str]]:
    """The pieces of a format: (name, "") or (None, words). ValueError for anything else than a plain name."""
    parts: list[tuple[str | None, str]] = []
    for words, name, spec, conversion in Formatter().parse(title):
        parts.append((None, words))
        if name is None:
            continue
        if spec or conversion or not name.isidentifier():
            written = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise ValueError(f"{{{written:.40}}} is more than a name")
        parts.append((name, ""))
    return parts


def _short(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = [
        (name, value)
        for name, value in params.items()
        if isinstance(value, bool | int | float | str) and value not in ("", MASK) and len(_text(value)) <= SHORT
    ]
    return found[:FIRST]


def _text(value: Any) -> str:
    """A value in at most VALUE letters; a list or an object as JSON, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)  # parameters are small: at most 64 KiB
    elif isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, int) and value.bit_length() > 1000:
        return "…"  # it has more digits than a title has room for
    text = str(value[: VALUE + 1] if isinstance(value, str) else value)
    return text if len(text) <= VALUE else f"{text[: VALUE - 1]}…"

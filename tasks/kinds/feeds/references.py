"""Character references as they are written in the world, made such that an XML parser takes them.

A character beyond U+FFFF written as two halves (``&#55357;&#56832;``), HTML's names (``&nbsp;``), a bare ``&``, and
numbers that stand for no character. What is inside CDATA is not XML but HTML: only the numbers are mended there.
"""

import re
from html.entities import html5
from xml.sax.saxutils import escape

from tasks.kinds.feeds.refusals import MOST_ELEMENTS, too_many

NUMBER = r"&#(?:[xX][0-9A-Fa-f]{1,8}|[0-9]{1,8});"
NUMBERS = re.compile(f"(?:{NUMBER})+")
CDATA = re.compile(r"(<!\[CDATA\[.*?(?:\]\]>|\Z))", re.DOTALL)
NAMED = re.compile(r"&(?!(?:#[0-9]+|#x[0-9A-Fa-f]+|lt|gt|amp|quot|apos);)(?:([A-Za-z][A-Za-z0-9]{1,31});)?")


def mended(text: str) -> str:
    """The document with references that XML knows; RefusedDocument if too many others are in it."""
    count = 0

    def named(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        if count > MOST_ELEMENTS:
            raise too_many()
        name = found[1]
        if name is None:
            return "&amp;"
        return escape(html5[f"{name};"]) if f"{name};" in html5 else f"&amp;{name};"

    parts = CDATA.split(text)
    parts[::2] = [NAMED.sub(named, part) for part in parts[::2]]
    return joined("".join(parts))


def joined(text: str) -> str:
    """Numbers that are halves of a character become that character, and those that are none become U+FFFD."""
    return NUMBERS.sub(_joined, text) if "&#" in text else text


def _joined(run: re.Match[str]) -> str:
    written = []
    for reference in re.findall(NUMBER, run[0]):
        digits = reference[2:-1]
        code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
        if 0xD800 <= code < 0xE000:
            written.append(chr(code))
        else:
            written.append(reference if _is_character(code) else "\ufffd")
    return "".join(written).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_character(code: int) -> bool:
    return code in (9, 10, 13) or 0x20 <= code < 0xFFFE or 0x10000 <= code < 0x110000

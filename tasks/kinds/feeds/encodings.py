"""From bytes to text: labels mean what the WHATWG Encoding Standard says, and the first bytes outrank every label.

Knows no feeds. Python has more encodings than the standard; some of them take quadratic time (punycode, idna).
"""

import codecs
import re

import webencodings

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
# A document begins with an ASCII character: where the zeros of its first four bytes lie tells the width of a character.
ZEROS = {
    (False, True, True, True): "utf-32-le", (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le", (True, False, True, False): "utf-16-be",
}  # fmt: skip
# The standard's decoders read more than the codecs that Python has under the same names.
CODECS = {"gbk": "gb18030", "euc-jp": "euc_jis_2004", "iso-2022-jp": "iso2022_jp_ext"}
# UTF-16 would have shown in the first bytes; the others stand for no text.
UNREADABLE = {"utf-16le", "utf-16be", "replacement", "x-user-defined"}
DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff\ufffe\uffff]")  # XML has no place for them

BEYOND_ASCII = re.compile(r"[^\x00-\x7f\ufffd]")


def decoded(body: bytes, content_type: str = "") -> str:
    """The text of a document; never fails. What the encoding has no character for becomes U+FFFD, and only that.

    The first bytes decide (byte order mark, zeros). Then the first label that fits all bytes does: the one of
    ``content_type``, then the document's own declaration; when none fits, the first. JSON is UTF-8. A document
    without a label is UTF-8 or, when not one of its characters beyond ASCII is that, Windows-1252.
    """
    name = _by_first_bytes(body)
    if name is None:
        name = _by_label(body, content_type) or ("utf-8" if _is_utf8(body) else "cp1252")
    return UNWANTED.sub("", body.decode(name, "replace"))


def _by_first_bytes(body: bytes) -> str | None:
    for mark, name in BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return name
    return ZEROS.get(tuple(byte == 0 for byte in body[:4]))


def _by_label(body: bytes, content_type: str) -> str | None:
    if body.lstrip()[:1] == b"{":
        return "utf-8"
    charset, declared = CHARSET.search(content_type), DECLARED.match(body[:1000])
    labels = [charset[1] if charset else "", declared[1].decode("ascii") if declared else ""]
    names = [codec for label in labels if (codec := codec_of(label))]
    return next((name for name in names if _fits(body, name)), names[0] if names else None)


def codec_of(label: str) -> str | None:
    """Python's codec for a label of the standard, unless the label says nothing about bytes that are read with it."""
    found = webencodings.lookup(label)
    if found is None or found.name in UNREADABLE:
        return None
    return CODECS.get(found.name, found.codec_info.name)


def _fits(body: bytes, name: str) -> bool:
    if name == "utf-8":
        return _is_utf8(body)
    try:
        body.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _is_utf8(body: bytes) -> bool:
    """True also with wrong bytes between characters beyond ASCII: no other encoding makes such by chance."""
    text = body.decode("utf-8", "replace")
    return "\ufffd" not in text or BEYOND_ASCII.search(text) is not None

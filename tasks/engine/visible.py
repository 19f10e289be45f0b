"""Makes foreign text safe for a terminal and for one line of a log: nothing in it moves a cursor or hides a word.

These are escaped as in Python: control characters (C0 and C1), line separators, bidirectional controls, and lone
surrogates, which no stream can write.
"""

BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
ESCAPED = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))},
    **{code: f"\\u{code:04x}" for code in (0x2028, 0x2029, 0xFEFF, *BIDI, *range(0xD800, 0xE000))},
    **{ord(letter): repr(letter)[1:-1] for letter in "\n\r\t"},
}


def in_one_line(text: object) -> str:
    return str(text).translate(ESCAPED)


def in_lines(text: object) -> str:
    """The same for a text of several lines, such as a traceback; tabs are spaces."""
    return "\n".join(in_one_line(line) for line in str(text).expandtabs(4).split("\n"))

"""Takes secrets out of what a watched application says, before it is stored: in JSON and in texts of Python values.

Pure. A key is secret when one of the words of ``SIGNALBOX_OBSERVE_REDACT`` is part of it. In a text the value beside
such a key is masked; whatever else a text holds cannot be recognised.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

MASK = "•••"


def redact(value: Any, words: Sequence[str]) -> Any:
    """A JSON value with MASK for each value whose key is secret, and with its texts redacted."""
    if isinstance(value, Mapping):
        return {
            name: MASK if is_secret(str(name), words) and item not in (None, "", [], {}) else redact(item, words)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item, words) for item in value]
    return redact_text(value, words) if isinstance(value, str) else value


def redact_text(text: str, words: Sequence[str]) -> str:
    """A text with MASK for what follows a secret key: ``'api_key': 'x'``, ``password=x``, ``Authorization: Bearer x``.

    Credentials of an address (``redis://user:password@host``) are masked too.
    """
    if not text:
        return text
    if "://" in text:
        text = ADDRESS.sub(rf"\1{MASK}@", text)
    words, folded = tuple(words), text.casefold()
    for word in _folded(words):  # in most texts there is none, and the pattern takes ten times as long
        if word in folded:
            return _pattern(words).sub(_masked, text)
    return text


def is_secret(name: str, words: Sequence[str]) -> bool:
    folded = name.lower()
    return any(word in folded for word in words)


ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@'\"]{1,500}@", re.IGNORECASE)


def _masked(found: re.Match[str]) -> str:
    value = found["value"]
    if value in ("None", "null", "''", '""'):
        return found[0]
    quote = value[0] if value[0] in "'\"" else ""
    return f"{found['key']}{quote}{MASK}{quote}"


@lru_cache(maxsize=4)
def _folded(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words)


@lru_cache(maxsize=4)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    word = "|".join(map(re.escape, words))
    return re.compile(
        rf"(?<![\w.-])(?P<key>(?P<q>['\"]?)[\w.-]{{0,60}}(?:{word})[\w.-]{{0,60}}(?P=q)\s{{0,3}}[:=]\s{{0,3}})"
        r"(?P<value>b?'(?:[^'\\]|\\.){0,65536}(?:'|$)|b?\"(?:[^\"\\]|\\.){0,65536}(?:\"|$)"
        r"|(?:Bearer|Basic|Token)\s+[^\s,;'\"]+|[^\s,;)}\]&'\"]+)",
        re.IGNORECASE,
    )

"""Encryption of secret parameters, and masking of their values in log lines, errors and tracebacks.

Works on dicts and texts and knows no job.
"""

import html
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache
from heapq import heapify, heappop, heapreplace
from string import ascii_uppercase
from typing import Any
from urllib.parse import quote, quote_plus

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from tasks.params.types import MASK

PURPOSE = b"signalbox: secret parameters of jobs, 1"  # other uses of SECRET_KEY get other keys from it
SHORT = 4  # characters; a shorter secret is hidden only where it stands alone, or "a" would blank every text
SMALL = {ord(letter): letter.lower() for letter in ascii_uppercase}
A_LINE = 8  # characters; shorter lines of a secret, such as "}", are not masked


class Unsealable(ValueError):
    """Neither SECRET_KEY nor SECRET_KEY_FALLBACKS decrypt the text, or it was changed."""


def seal(values: dict[str, Any]) -> str:
    """Encrypt a dict of JSON values. The same values give another text each time: never compare sealed texts."""
    return _box(keys()).encrypt(json.dumps(values).encode()).decode() if values else ""


def unseal(text: str) -> dict[str, Any]:
    """Decrypt what ``seal`` returned. Unsealable if no key fits."""
    if not text:
        return {}
    try:
        if urlsafe_b64encode(urlsafe_b64decode(text)).decode() != text:  # base64 overlooks what does not belong to it
            raise InvalidToken
        return json.loads(_box(keys()).decrypt(text))
    except (InvalidToken, ValueError):
        raise Unsealable("The secrets of this job were sealed with a SECRET_KEY that is no longer known.") from None


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text with MASK for each secret: as it is, as repr, JSON, HTML or a URL show it, and each line of a long one.

    Hide before cutting a text: half of a secret is not recognised. Neither is one that was encoded in other ways.
    """
    values = frozenset(secret for secret in secrets if secret)
    return _mask(text, _forms_of(values)) if values else text


def keys() -> tuple[str | bytes, ...]:
    """SECRET_KEY, and the former ones that still count."""
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=4)
def _box(keys: tuple[str | bytes, ...]) -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(_derive(key))) for key in keys])


def _derive(key: str | bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(key.encode() if isinstance(key, str) else key)


@lru_cache(maxsize=16)
def _forms_of(secrets: frozenset[str]) -> tuple[str, ...]:
    """All forms that are looked for, the longest first."""
    wholes = {secret.strip() for secret in secrets}
    lines = {line.strip() for secret in wholes for line in secret.splitlines() if len(line.strip()) >= A_LINE}
    shown = {form for value in (wholes | lines) - {""} for form in _forms(value)}
    return tuple(sorted({_fold(form) if "%" in form else form for form in shown}, key=len, reverse=True))


def _mask(text: str, forms: tuple[str, ...]) -> str:
    """Mask in one pass from left to right, the longest form first. A mask is never masked again.

    ``str.find`` takes linear time for every input; a regular expression does not.
    """
    folded = _fold(text) if any("%" in form for form in forms) else text
    waiting = [(at, rank) for rank, form in enumerate(forms) if (at := _find(text, folded, form, 0)) >= 0]
    heapify(waiting)
    kept: list[str] = []
    end = 0
    while waiting:
        at, rank = waiting[0]
        if at >= end:
            kept += (text[end:at], MASK)
            end = at + len(forms[rank])
        again = _find(text, folded, forms[rank], end)
        heapreplace(waiting, (again, rank)) if again >= 0 else heappop(waiting)
    return "".join(kept) + text[end:]


def _find(text: str, folded: str, form: str, start: int) -> int:
    """Return the next position of a form, or -1. %2F and %2f are the same; a short form must stand alone."""
    where = folded if "%" in form else text
    at = where.find(form, start)
    while (
        at >= 0
        and len(form) < SHORT
        and (_is_word(text[max(0, at - 1) : at]) or _is_word(text[at + len(form) : at + len(form) + 1]))
    ):
        at = where.find(form, at + 1)
    return at


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _fold(text: str) -> str:
    """Lower ASCII letters only, so that every character keeps its position."""
    return text.translate(SMALL)


def _forms(value: str) -> set[str]:
    escaped = {value} | _escaped(value)
    twice = {form for once in escaped for form in _escaped(once)}  # the repr of a message that holds a repr
    raw = value.encode(errors="surrogatepass")
    urls = {quote(raw), quote(raw, safe=""), quote_plus(raw), quote(raw, safe="!#$%&'()*+,/:;=?@[]~")}
    return escaped | twice | urls | {html.escape(value), repr(raw)[2:-1]}


def _escaped(value: str) -> set[str]:
    # Whether repr escapes an apostrophe depends on the text around the value: with a quotation mark in it, it does.
    reprs = {shown(value + '"')[1:-2] for shown in (repr, ascii)}
    jsons = {json.dumps(value, ensure_ascii=ensure)[1:-1] for ensure in (True, False)}
    return reprs | {form.replace("\\'", "'") for form in reprs} | jsons

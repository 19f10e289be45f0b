"""The messages that carry hints: limited in size and signed, so that nobody who can write to Redis can forge one.

A message has the summaries, its time of sending and a signature over both with a key of SECRET_KEY. A message that is
replayed after MEMORY_S is refused by its time. One replayed earlier has older versions than the rows shown already.
"""

import json
import time
from typing import Any

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

AT_ONCE = 200  # summaries of one message
SIZE = 2_000_000  # characters of them; a summary has some thousand
MEMORY_S = 60.0  # clocks of machines may differ by so much
SALT = "signalbox.hints"


def signed(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    at = round(time.time(), 3)
    return {"type": "jobs", "jobs": jobs, "at": at, "signature": _signature(_text(jobs, at), settings.SECRET_KEY)}


def trusted(message: dict[str, Any]) -> bool:
    """Whether the signature is ours and the message is recent."""
    try:
        jobs, at, signature = message["jobs"], message["at"], message["signature"]
        if not isinstance(jobs, list) or len(jobs) > AT_ONCE or not abs(time.time() - at) < MEMORY_S:
            return False
        text = _text(jobs, at)
        keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        return len(text) < SIZE and any(constant_time_compare(signature, _signature(text, key)) for key in keys)
    except (KeyError, TypeError, ValueError, RecursionError):
        return False


def _text(jobs: list[dict[str, Any]], at: float) -> str:
    return json.dumps([jobs, at], sort_keys=True, separators=(",", ":"))


def _signature(text: str, key: str) -> str:
    return salted_hmac(SALT, text, key, algorithm="sha256").hexdigest()

"""Values as every database can store them: JSON without NaN, NUL or lone surrogates, within a size."""

import json
from collections.abc import Callable
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

RESULT_BYTES = 512 * 1024


def text(value: str, limit: int) -> str:
    """``value`` without characters that PostgreSQL refuses, cut to ``limit`` characters with a mark."""
    value = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return value if len(value) <= limit else value[: limit - 1] + "…"


def result(value: Any, hide: Callable[[str], str] = str) -> Any:
    """A job's result as JSON. What has no JSON is kept as its ``repr``; what is too large, as a note that says so.

    ``hide`` takes secrets out of its texts.
    """
    try:
        dumped = json.dumps(value, cls=DjangoJSONEncoder, allow_nan=False)
        if len(dumped) > RESULT_BYTES:
            return f"(a result of {len(dumped):,} bytes was not kept: at most {RESULT_BYTES:,} are)"
        return _clean(json.loads(dumped), hide)
    except Exception:  # code of the job's own may be asked here, and raise whatever it likes
        return text(hide(shown(value, repr)), 2_000)


def shown(value: Any, say: Callable[[Any], str] = str) -> str:
    """``str`` of something that may refuse to be shown: a number too long, a list too deep, an error in its method."""
    try:
        return say(value)
    except Exception:
        return f"({type(value).__name__}, which cannot be shown)"


def _clean(value: Any, hide: Callable[[str], str]) -> Any:
    match value:
        case str():
            return text(hide(value), RESULT_BYTES)
        case list():
            return [_clean(item, hide) for item in value]
        case dict():
            return {text(hide(key), RESULT_BYTES): _clean(item, hide) for key, item in value.items()}
    return value

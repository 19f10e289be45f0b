"""The header that makes a request safe to repeat: the same key and body give the same job."""

import re

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from tasks.access import actions
from tasks.api.problems import wrong

KEY = re.compile(r"[\x21-\x7e]{1,255}")
HEADER = "Idempotency-Key"
IDEMPOTENCY = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
    OpenApiParameter.HEADER,
    description="The same key and body again: 200 and the same job. Another body: 422.",
)


def key_of(request: Request) -> str | None:
    """The key as it is kept, or None: the request has none."""
    key = request.headers.get(HEADER)
    if key is not None and not KEY.fullmatch(key):
        raise wrong(**{HEADER: "Give 1 to 255 printable ASCII characters without spaces."})
    return actions.key_of_request(key)

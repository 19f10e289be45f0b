"""The upload page sets a signed cookie, the ticket. Without it the server accepts no large request body.

The ticket is checked from the request's headers, before the body is read and without the database. It is bound to one
session and useless in another. The view itself checks permissions.
"""

import hashlib

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse, parse_cookie
from django.utils.crypto import constant_time_compare

COOKIE = "signalbox_upload"
VALID_S = 12 * 3600
SIGNER = TimestampSigner(salt="signalbox.upload")


def give(request: HttpRequest, answer: HttpResponse) -> None:
    """Set the ticket on the answer that shows the form. The browser sends it to the form's own address only."""
    value = SIGNER.sign(_digest(request.session.session_key or ""))
    answer.set_cookie(
        COOKIE, value, max_age=VALID_S, path=request.path, httponly=True, samesite="Strict", secure=request.is_secure()
    )


def is_valid(cookies: bytes) -> bool:
    """Whether this Cookie header has a session and the ticket that goes with it."""
    found = parse_cookie(cookies.decode("latin1"))
    try:
        digest = SIGNER.unsign(found.get(COOKIE, ""), max_age=VALID_S)
    except BadSignature:
        return False
    return constant_time_compare(digest, _digest(found.get(settings.SESSION_COOKIE_NAME, "")))


def _digest(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()

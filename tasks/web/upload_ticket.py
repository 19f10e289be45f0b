"""Whoever opened the page of an upload gets a ticket, a signed cookie: without it no server takes in a large body.

It can be judged from the head of a request alone, before a byte of the body is read and without the database. It says
whose session it is for, so it is worth nothing beside another one; the page itself judges the rest.
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
    """To whoever sees the form; it goes to the form's own address only."""
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

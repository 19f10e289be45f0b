"""Who sends a request to the API: the owner of the token in its Authorization header, or the user of its session.

A token counts only as long as its owner is active and it has not expired. Its last use is kept to the minute.
"""

import logging
from datetime import timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from knox.crypto import hash_token
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed

from tasks.access.models import Token
from tasks.access.permissions import Actor

EVERY = timedelta(minutes=1)  # so often is the last use of a token written
LONGEST = 200  # characters of a header that is looked at

log = logging.getLogger(__name__)


class ByToken(BaseAuthentication):
    """``Authorization: Token <token>``. Any other scheme is none of ours."""

    def authenticate(self, request: Any) -> tuple[Any, Token] | None:
        if (text := token_in(get_authorization_header(request))) is None:
            return None
        token = find(text)
        if token is None:
            raise AuthenticationFailed("Unknown token.")
        used(token)
        return token.user, token

    def authenticate_header(self, request: Any) -> str:
        return "Token"


def token_in(header: bytes) -> str | None:
    """What an Authorization header says after ``Token``; None for another scheme, and for none."""
    scheme, _, text = header[:LONGEST].decode("latin-1").partition(" ")
    return text.strip() if scheme.lower() == "token" else None


def find(text: str) -> Token | None:
    """The living token of that text: looked up by its digest, so the time it takes tells nothing of other tokens."""
    if not text.isascii() or not text.isalnum():
        return None
    return Token.objects.live().filter(digest=hash_token(text)).first()


def used(token: Token) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - EVERY)
        try:
            Token.objects.filter(stale, pk=token.pk).update(last_used_at=now)
        except DatabaseError:
            log.info("the last use of a token could not be written")


def actor_of(request: HttpRequest) -> Actor:
    """The actor of a request outside the API: by the token given (a wrong one is nobody's), or by the session."""
    if (text := token_in(get_authorization_header(request))) is None:
        return Actor.of(request.user)
    token = find(text)
    if token is None:
        return Actor.of(None)
    used(token)
    request.auth = token  # for the audit trail
    return Actor.of(token)

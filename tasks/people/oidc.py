"""Signing in by OpenID Connect: mozilla-django-oidc does the protocol, the provider's own document says its addresses.

The provider is asked only when somebody signs in: while it is away, people who are logged in stay so.
"""

import logging
import threading
import time
from typing import Any

import jwt
import requests
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from jwt.exceptions import PyJWTError
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from tasks.access import audit
from tasks.people import accounts
from tasks.people.accounts import NoAccount

DOCUMENT = "/.well-known/openid-configuration"
KEPT_S = 3_600.0  # of the provider's document
TIMEOUT_S = 8
WRONG = (requests.RequestException, SuspiciousOperation, PyJWTError, NoAccount, ValueError, KeyError, TypeError)
NAMES = {
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint",
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}

log = logging.getLogger(__name__)
_lock = threading.Lock()
_kept: dict[str, tuple[float, dict[str, Any]]] = {}


def provider() -> dict[str, Any]:
    """What the provider says of itself. requests' errors, or ValueError for a document of another provider."""
    issuer = settings.SIGNALBOX_OIDC
    with _lock:
        at, document = _kept.get(issuer, (0.0, {}))
    if document and time.monotonic() - at < KEPT_S:
        return document
    answer = requests.get(issuer.rstrip("/") + DOCUMENT, timeout=TIMEOUT_S, allow_redirects=False)
    answer.raise_for_status()
    document = answer.json()
    if str(document.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise ValueError(f"The provider calls itself {str(document.get('issuer'))[:200]!r}, not {issuer!r}.")
    with _lock:
        _kept[issuer] = time.monotonic(), document
    return document


def setting(name: str, *default: Any) -> Any:
    """A setting of mozilla-django-oidc: the provider's addresses come from its document, the rest from ours."""
    if name in NAMES:
        return provider()[NAMES[name]]
    return getattr(settings, name, *default)


class Backend(OIDCAuthenticationBackend):
    """Django makes a new one for each request with a session, so its constructor sends no request."""

    OIDC_OP_TOKEN_ENDPOINT = property(lambda self: setting("OIDC_OP_TOKEN_ENDPOINT"))
    OIDC_OP_USER_ENDPOINT = property(lambda self: setting("OIDC_OP_USER_ENDPOINT"))
    OIDC_OP_JWKS_ENDPOINT = property(lambda self: setting("OIDC_OP_JWKS_ENDPOINT"))
    OIDC_RP_CLIENT_ID = property(lambda self: settings.OIDC_RP_CLIENT_ID)
    OIDC_RP_CLIENT_SECRET = property(lambda self: settings.OIDC_RP_CLIENT_SECRET)
    OIDC_RP_SIGN_ALGO = property(lambda self: settings.OIDC_RP_SIGN_ALGO)
    OIDC_RP_IDP_SIGN_KEY = None

    def __init__(self) -> None:
        self.UserModel = accounts.get_user_model()

    @staticmethod
    def get_settings(attr: str, *args: Any) -> Any:
        return setting(attr, *args)

    def authenticate(self, request: HttpRequest | None, **given: Any) -> Any:
        """Only for the callback: a password is not ours to judge."""
        return super().authenticate(request, **given) if "nonce" in given else None

    def get_user(self, user_id: Any) -> Any:
        user = super().get_user(user_id)
        return user if user is not None and user.is_active else None

    def verify_token(self, token: str, **given: Any) -> dict[str, Any]:
        """As the specification wants it: of this provider, for this client, not expired."""
        payload = super().verify_token(token, **given)
        audience = payload.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        if settings.OIDC_RP_CLIENT_ID not in meant or (
            len(meant) > 1 and payload.get("azp") != settings.OIDC_RP_CLIENT_ID
        ):
            raise SuspiciousOperation("The token is for another client.")
        if str(payload.get("iss", "")).rstrip("/") != settings.SIGNALBOX_OIDC.rstrip("/"):
            raise SuspiciousOperation("The token is of another provider.")
        if "exp" not in payload or not payload.get("sub"):
            raise SuspiciousOperation("The token does not say for whom, or for how long.")
        return payload

    def retrieve_matching_jwk(self, token: str) -> Any:
        """The key of a token. One without ``kid``, which is optional, is for a provider with a single key."""
        if "kid" in jwt.get_unverified_header(token):
            return super().retrieve_matching_jwk(token)
        answer = requests.get(self.OIDC_OP_JWKS_ENDPOINT, timeout=TIMEOUT_S, allow_redirects=False)
        answer.raise_for_status()
        keys = [key for key in answer.json()["keys"] if key.get("use", "sig") == "sig"]
        if len(keys) != 1:
            raise SuspiciousOperation("The token does not say which key signed it.")
        return jwt.PyJWK(keys[0], algorithm=self.OIDC_RP_SIGN_ALGO)

    def get_or_create_user(self, access_token: str, id_token: str, payload: dict[str, Any]) -> Any:
        claims = self.get_userinfo(access_token, id_token, payload)
        if claims.get("sub") != payload["sub"]:
            raise SuspiciousOperation("The provider speaks of two people.")
        claims = {**payload, **claims}
        groups = claims.get(settings.SIGNALBOX_OIDC_GROUPS)
        groups = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        return accounts.signed_in(settings.SIGNALBOX_OIDC, str(payload["sub"]), name_of(claims), groups[:1_000])


def name_of(claims: dict[str, Any]) -> str:
    """The name that somebody gets here: an address where the user model wants one, else never an address."""
    if accounts.name_field() == getattr(accounts.get_user_model(), "EMAIL_FIELD", None):
        return str(claims.get("email") or "")
    wanted = str(claims.get("preferred_username") or claims.get("nickname") or claims.get("sub") or "")
    return audit.plain(wanted.partition("@")[0] or wanted, accounts.LONGEST_NAME)


class Begin(OIDCAuthenticationRequestView):
    """Sends a browser to the provider."""

    def __init__(self, **options: Any) -> None:
        super(OIDCAuthenticationRequestView, self).__init__(**options)

    OIDC_OP_AUTH_ENDPOINT = property(lambda self: setting("OIDC_OP_AUTHORIZATION_ENDPOINT"))
    OIDC_RP_CLIENT_ID = property(lambda self: settings.OIDC_RP_CLIENT_ID)
    get_settings = staticmethod(setting)

    def get(self, request: HttpRequest) -> HttpResponse:
        if not settings.SIGNALBOX_OIDC:
            raise Http404("Nobody signs in by OpenID Connect here.")
        try:
            return super().get(request)
        except WRONG as error:
            return refused(request, error)


class Callback(OIDCAuthenticationCallbackView):
    """Where the provider sends a browser back to."""

    get_settings = staticmethod(setting)

    def get(self, request: HttpRequest) -> HttpResponse:
        if not settings.SIGNALBOX_OIDC:
            raise Http404("Nobody signs in by OpenID Connect here.")
        if max((len(value) for value in request.GET.values()), default=0) > 4_000:
            return refused(request, ValueError("An answer of the provider is too long."))
        try:
            return super().get(request)
        except WRONG as error:
            return refused(request, error)

    def login_failure(self) -> HttpResponse:
        said = str(self.request.GET.get("error", ""))[:100]
        return refused(self.request, ValueError(said or "The provider's answer does not belong to this browser."))


def refused(request: HttpRequest, error: Exception) -> HttpResponseRedirect:
    """Back to the login page, with a sentence; what exactly was wrong is for the log."""
    log.warning("signing in by OpenID Connect failed: %s", audit.plain(error, 300))
    audit.refused(request, "login", "OpenID Connect", "not-authenticated")
    said = str(error) if isinstance(error, NoAccount) else "Signing in did not work. Try again, or ask an admin."
    messages.error(request, said)
    return redirect("login")

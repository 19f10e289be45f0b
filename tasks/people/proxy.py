"""Signing in by a proxy in front that has signed people in already: a header that only the proxy may set.

Off unless SIGNALBOX_PROXY_HEADER names one. The header counts only on requests of the proxy: from its network, with
its secret, or both, as the settings say. On any other request the header is refused.
"""

import hmac
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from tasks.access import audit
from tasks.people import accounts
from tasks.people.accounts import NoAccount

ISSUER = "proxy"
MARK = "signed_in_by_proxy"
BACKEND = "django.contrib.auth.backends.ModelBackend"
SECRET = "X-Signalbox-Proxy"  # noqa: S105 - a header's name


def by_proxy(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], HttpResponse]:
    """The middleware; it stands after those of sessions and users."""

    def signed(request: HttpRequest) -> HttpResponse:
        name = audit.plain(request.headers.get(settings.SIGNALBOX_PROXY_HEADER, "").strip()[:1_000], 150)
        trusted = is_proxy(request)
        if name and not trusted:
            audit.refused(request, "login", name, "forbidden", by="proxy header")
            raise PermissionDenied("A header that only the proxy may set.")
        if not (name and trusted):
            if request.session.get(MARK):  # the proxy says nobody any more, or somebody went round it
                logout(request)
        elif not request.user.is_authenticated or request.session.get(MARK) != name:
            sign_in(request, name)
        return get_response(request)

    return signed


def sign_in(request: HttpRequest, name: str) -> None:
    groups = None
    if settings.SIGNALBOX_PROXY_GROUPS_HEADER:
        groups = re.split(r"[,;\s]+", request.headers.get(settings.SIGNALBOX_PROXY_GROUPS_HEADER, "")[:10_000])
    try:
        user = accounts.signed_in(ISSUER, name, name, groups)
    except NoAccount as no:
        logout(request)
        raise PermissionDenied(str(no)) from None
    if request.user.is_authenticated and request.user.pk != user.pk:
        logout(request)
    login(request, user, backend=BACKEND)
    request.session[MARK] = name


def is_proxy(request: HttpRequest) -> bool:
    """Whether a request comes from the proxy: by each of the two proofs that are set; with none, never."""
    networks, secret = settings.SIGNALBOX_PROXY_NETWORKS, settings.SIGNALBOX_PROXY_SECRET
    if not (networks or secret):
        return False
    if secret and not hmac.compare_digest(request.headers.get(SECRET, "").encode(), secret.encode()):
        return False
    if not networks:
        return True
    try:
        address = ip_address(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    return any(address in network for network in networks)

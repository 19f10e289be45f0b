"""Logging in and out: nobody can guess, nobody can lock another out, and every attempt is in the trail.

Failed attempts are counted for each name and place. A place is an address (of IPv6, its network); a browser that this
user has logged in with before is a place of its own, so a stranger behind the same address cannot use up its attempts.
"""

import ipaddress
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.views import LoginView
from django.core.signing import BadSignature, TimestampSigner
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from tasks.access import audit
from tasks.access.models import Entry
from tasks.access.sessions import end_all

BY_NAME, NAME_WINDOW = 5, timedelta(minutes=5)
BY_PLACE, PLACE_WINDOW = 30, timedelta(minutes=15)
COOKIE, KNOWN_FOR = "signalbox_known", timedelta(days=365)
SIGNER = TimestampSigner(salt="signalbox.known")


class Login(LoginView):
    """The one login page."""

    template_name = "account/login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if held := refuse_if_throttled(self, request, request.POST.get("username", ""), "login-throttled", request):
            return held
        answer = super().post(request, *args, **kwargs)
        if isinstance(answer, HttpResponseRedirect):
            remember(request, answer)
        return answer


def refuse_if_throttled(view: Any, request: HttpRequest, name: str, action: str, of: Any) -> HttpResponse | None:
    """The view's page without what was typed, if this name may not try a password now. ``of``: what its form is of."""
    if not (wait := seconds_to_wait(request, name)):
        return None
    audit.refused(request, action, audit.plain(name, 150), "too-many-requests")
    context = view.get_context_data(form=view.get_form_class()(of), wait_minutes=-(-wait // 60))
    answer = view.render_to_response(context, status=429)
    answer["Retry-After"] = str(wait)
    return answer


def seconds_to_wait(request: HttpRequest, name: str) -> int:
    """0, or for how long this name, or this place, may not try again. Asked before any password is looked at."""
    now = timezone.now()
    failed = Entry.objects.filter(action="login", outcome=Entry.Outcome.REFUSED, address=place(request, name))
    recent = list(failed.order_by("-id").values_list("at", "target")[:BY_PLACE])
    by_name = [at for at, target in recent if target == audit.plain(name, 150)]
    waits = [timedelta(0)]
    if len(recent) == BY_PLACE:
        waits.append(recent[-1][0] + PLACE_WINDOW - now)
    if len(by_name) >= BY_NAME:
        waits.append(by_name[BY_NAME - 1] + NAME_WINDOW - now)
    return max(0, int(max(waits).total_seconds() + 0.999))


def place(request: HttpRequest, name: str) -> str:
    """Where an attempt comes from, as it is counted."""
    try:
        user, _, browser = SIGNER.unsign(request.COOKIES.get(COOKIE, ""), max_age=KNOWN_FOR).rpartition(":")
        if user == name:
            return f"browser {browser}"[:45]
    except BadSignature:
        pass
    address = audit.address_of(request)
    try:
        found = ipaddress.ip_address(address)
        return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else address
    except ValueError:
        return address


def remember(request: HttpRequest, answer: HttpResponse) -> None:
    """Give a browser that has just logged in a name of its own, so that its attempts are counted apart."""
    value = SIGNER.sign(f"{request.user.get_username()}:{secrets.token_hex(16)}")
    answer.set_cookie(COOKIE, value, max_age=KNOWN_FOR, httponly=True, samesite="Lax", secure=request.is_secure())


@require_POST
def log_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End every session of this user: in all browsers, this one too."""
    if request.user.is_authenticated:
        audit.do(request, "logout-everywhere", request.user.get_username(), lambda: end_all(request.user))
        logout(request)
    return redirect("login")


@receiver(user_logged_in)
def logged_in(request: HttpRequest | None, user: Any, **_: Any) -> None:
    if hasattr(request, "user"):  # or else it went through no middleware: no browser has logged in
        audit.note(request, "login", user.get_username())


@receiver(user_logged_out)
def logged_out(request: HttpRequest | None, user: Any, **_: Any) -> None:
    if user is not None and hasattr(request, "user"):
        audit.note(request, "logout", user.get_username())


@receiver(user_login_failed)
def login_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Written where it is counted: not as a stranger's refusal, which a flood may drop."""
    name = audit.plain(credentials.get("username", ""), 150)
    where = place(request, name) if request else ""
    Entry.objects.create(
        via="session",
        action="login",
        target=name,
        outcome=Entry.Outcome.REFUSED,
        code="not-authenticated",
        address=where,
        detail={"from": audit.address_of(request)} if request else {},
    )

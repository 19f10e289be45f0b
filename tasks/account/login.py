"""Logging in and out: nobody can guess, nobody can lock another out, and every attempt is in the trail.

Failed attempts are counted for each name and place. A place is an address (of IPv6, its network). A browser that this
user has logged in with before is a place of its own, so others behind the same address cannot use up its attempts.
"""

import ipaddress
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, logout
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature, TimestampSigner
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from tasks.access import audit
from tasks.access.models import Entry, Guess
from tasks.access.sessions import end_all

BY_NAME, NAME_WINDOW = 5, timedelta(minutes=5)
BY_PLACE, PLACE_WINDOW = 30, timedelta(minutes=15)  # over all names that have not logged in there before
STALE = timedelta(minutes=1)  # after which a guess that a dead process left behind no longer counts
JUDGED = timedelta(seconds=5)  # within which the guesses under way will have been checked
LOGINS = 100  # of a name that are looked through for a place
LONGEST = 1_000  # characters of a name that anything looks at
COOKIE, KNOWN_FOR = "signalbox_known", timedelta(days=365)
SIGNER = TimestampSigner(salt="signalbox.known")


class Login(LoginView):
    """The one login page."""

    template_name = "account/login.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        oidc = settings.SIGNALBOX_OIDC_NAME if settings.SIGNALBOX_OIDC else ""
        local = settings.SIGNALBOX_LOCAL_LOGIN
        nobody = local and not get_user_model()._default_manager.filter(is_active=True).exists()
        return super().get_context_data(local=local, oidc=oidc, nobody=nobody, **context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.SIGNALBOX_LOCAL_LOGIN:
            audit.refused(request, "login", folded(request.POST.get("username", "")), "forbidden")
            raise PermissionDenied
        with guess(request, request.POST.get("username", "")) as wait:
            if wait:
                return refuse_if_throttled(
                    self, request, request.POST.get("username", ""), wait, "login-throttled", request
                )
            answer = super().post(request, *args, **kwargs)
        if isinstance(answer, HttpResponseRedirect):
            remember(request, answer)
        return answer


def refuse_if_throttled(view: Any, request: HttpRequest, name: str, wait: int, action: str, of: Any) -> HttpResponse:
    """The view's page without what was typed: this name may not try a password now. ``of``: what its form is of."""
    audit.refused(request, action, folded(name), "too-many-requests")
    context = view.get_context_data(form=view.get_form_class()(of), wait_minutes=-(-wait // 60))
    answer = view.render_to_response(context, status=429)
    answer["Retry-After"] = str(wait)
    return answer


@contextmanager
def guess(request: HttpRequest, name: str) -> Iterator[int]:
    """0: a password of this name may be looked at in this block. Else the seconds for which none may.

    Until the block ends it counts as a wrong one, in all server processes: of many at once none is looked at too many.
    """
    name, now = folded(name), timezone.now()
    where = place(request, name)
    Guess.objects.filter(at__lt=now - STALE).delete()
    mine = Guess.objects.create(place=where, name=name, at=now)
    try:
        yield seconds_to_wait(request, name, mine)
    finally:
        Guess.objects.filter(pk=mine.pk).delete()


def folded(name: str) -> str:
    """A name as the login form reads it: however it is spelt, it is the same one."""
    return audit.plain(UsernameField().to_python(name[:LONGEST]) or "", 150)


def seconds_to_wait(request: HttpRequest, name: str, mine: Guess) -> int:
    """0, or for how long this name, or this place, may not try again."""
    failed = Entry.objects.filter(action="login", outcome=Entry.Outcome.REFUSED, address=mine.place)
    recent = list(failed.order_by("-id").values_list("at", "target")[:BY_PLACE])
    under_way = list(Guess.objects.filter(place=mine.place).exclude(pk=mine.pk).values_list("name", flat=True))
    by_name = [at for at, target in recent if target == name]
    waits = [over(by_name, under_way.count(name), BY_NAME, NAME_WINDOW)]
    if not has_been_here(name, mine.place):
        waits.append(over([at for at, _ in recent], len(under_way), BY_PLACE, PLACE_WINDOW))
    return max(0, int(max(waits).total_seconds() + 0.999))


def over(failed: list[datetime], under_way: int, most: int, window: timedelta) -> timedelta:
    """How long to wait if there were ``most`` wrong ones within the window, newest first, those under way with them."""
    now = timezone.now()
    standing = [at for at in failed if at + window > now]
    if len(standing) + under_way < most:
        return timedelta(0)
    return standing[most - 1] + window - now if len(standing) >= most else JUDGED


def has_been_here(name: str, where: str) -> bool:
    """Whether this user has logged in at this place before: wrong guesses of others there do not lock it."""
    done = Entry.objects.filter(who=name, action="login", outcome=Entry.Outcome.DONE).order_by("-id")
    return any(network(address) == where for address in done.values_list("address", flat=True)[:LOGINS])


def place(request: HttpRequest, name: str) -> str:
    """Where an attempt comes from, as it is counted."""
    try:
        user, _, browser = SIGNER.unsign(request.COOKIES.get(COOKIE, ""), max_age=KNOWN_FOR).rpartition(":")
        if user == name:
            return f"browser {browser}"[:45]
    except BadSignature:
        pass
    return network(audit.address_of(request))


def network(address: str) -> str:
    """An address; of IPv6 the network that one customer has."""
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
    """Written where it is counted: not as a refusal of somebody without a login, which a flood may drop."""
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

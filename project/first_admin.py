"""The first admin: a link that works once, or a name and a password in the environment. There is no default password.

The link's digest lies in `SIGNALBOX_HOME/first_admin` and nowhere else; a new start replaces it. Only a POST uses it.
"""

import hmac
import json
import os
import secrets
import time
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from project import env
from project.valkey import write_private
from tasks.people import accounts
from tasks.people.accounts import digest
from tasks.people.views import NewUserForm, new_user_page

VALID_S = 3600
FILE = "first_admin"


def open_link(home: Path) -> str | None:
    """A new token, valid for an hour, which replaces any older one; None when there is an admin already."""
    (home / FILE).unlink(missing_ok=True)
    if accounts.active_admins().exists():
        return None
    token = secrets.token_urlsafe(32)
    write_private(home / FILE, json.dumps({"sha256": digest(token), "until": time.time() + VALID_S}))
    return token


def is_valid(home: Path, token: str) -> bool:
    try:
        kept = json.loads((home / FILE).read_text())
    except (OSError, ValueError):
        return False
    return (
        hmac.compare_digest(kept["sha256"], digest(token))
        and time.time() < kept["until"]
        and not accounts.active_admins().exists()
    )


def use(home: Path, token: str) -> bool:
    """Takes the link away; True for exactly one of all who try at the same time."""
    if not is_valid(home, token):
        return False
    taken = home / f"{FILE}.{secrets.token_hex(8)}"
    try:
        (home / FILE).rename(taken)
        return hmac.compare_digest(json.loads(taken.read_text())["sha256"], digest(token))
    except OSError:
        return False
    finally:
        taken.unlink(missing_ok=True)


@never_cache
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link; 404 for every link that is wrong, used, too old or no longer needed."""
    home = Path(settings.SIGNALBOX_HOME)
    if not is_valid(home, token):
        raise Http404(
            "This link is not valid, or no longer. A restart of Signalbox prints a new one while there is no admin."
        )
    form = NewUserForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not use(home, token):
            raise Http404("This link has just been used.")
        form.instance.is_staff = form.instance.is_superuser = True
        login(request, form.save(), backend="django.contrib.auth.backends.ModelBackend")
        return redirect(settings.LOGIN_REDIRECT_URL)
    intro = "This page works once. There is no default password."
    return new_user_page(request, form, heading="Create the first admin", intro=intro, button="Create admin")


def admin_from_environment() -> None:
    """Makes the admin of SIGNALBOX_ADMIN_USER and SIGNALBOX_ADMIN_PASSWORD, unless that user exists."""
    name, password = os.environ.get("SIGNALBOX_ADMIN_USER", ""), env.secret_text("SIGNALBOX_ADMIN_PASSWORD", True)
    if bool(name) != bool(password):
        raise ImproperlyConfigured(
            "SIGNALBOX_ADMIN_USER and SIGNALBOX_ADMIN_PASSWORD only work together: set both or none."
        )
    users = get_user_model().objects
    field = get_user_model().USERNAME_FIELD
    if name and not users.filter(**{field: name}).exists():
        required = dict.fromkeys(get_user_model().REQUIRED_FIELDS, "")
        users.create_superuser(**required | {field: name, "password": password})

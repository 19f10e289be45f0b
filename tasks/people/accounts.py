"""Making users, giving them roles, and finding the user whom a provider has signed in. Knows no request.

Works with every user model: a user's name is what ``USERNAME_FIELD`` names.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from tasks.access.permissions import ROLES
from tasks.engine.errors import Refused
from tasks.engine.transition import retry_on_lock
from tasks.people.models import Identity, Invitation

LONGEST_NAME = 150
VALID = timedelta(days=3)
NONE = ""  # no role
ASKED = 5  # admins whose names somebody without a role is shown


class NoAccount(Refused):
    """Nobody is signed in; the sentence says why."""

    code = "forbidden"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def name_field() -> str:
    return str(get_user_model().USERNAME_FIELD)


def named(name: str) -> Any:
    """The user of this name, or None."""
    return get_user_model()._default_manager.filter(**{name_field(): name}).first()


def active_admins() -> QuerySet[Any]:
    is_admin = Q(is_superuser=True) | Q(groups__name="admin")
    return get_user_model()._default_manager.filter(is_admin, is_active=True)


def admins() -> list[str]:
    """Names of active admins, for somebody who needs one."""
    return list(active_admins().order_by(name_field()).values_list(name_field(), flat=True).distinct()[:ASKED])


def give_role(user: Any, role: str) -> None:
    """Make this the user's only role; NONE takes it away. Other groups stay."""
    if role and role not in ROLES:
        raise ValueError(role)
    with transaction.atomic():
        user.groups.remove(*user.groups.filter(name__in=ROLES))
        if role:
            user.groups.add(Group.objects.get_or_create(name=role)[0])
    user._prefetched_objects_cache = {}


def role_of_groups(groups: Iterable[Any]) -> str:
    """The strongest role that SIGNALBOX_ROLES gives to any of these groups; ``*`` stands for everybody."""
    found = {settings.SIGNALBOX_ROLES.get(str(group)) for group in groups} | {settings.SIGNALBOX_ROLES.get("*")}
    return next((role for role in reversed(ROLES) if role in found), NONE)


def make_user(name: str, **columns: Any) -> Any:
    """A user without a password."""
    user = get_user_model()(**{name_field(): name}, **columns)
    user.set_unusable_password()
    user.save()
    return user


@retry_on_lock
def signed_in(issuer: str, subject: str, name: str, groups: Iterable[Any] | None) -> Any:
    """The user behind an identity, made when it comes for the first time. ``groups``: None when nothing says them.

    A provider's account never takes over one that was made here and has the same name: it gets another name.
    Raises NoAccount when the user is switched off, or nothing names them.
    """
    if not subject or not name or len(subject) > 255 or len(issuer) > 500:
        raise NoAccount("The provider did not say who you are.")
    now = timezone.now()
    with transaction.atomic():
        known = Identity.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
        user = known.user if known else _new_user(name[:LONGEST_NAME])
        if known:
            Identity.objects.filter(pk=known.pk).update(seen_at=now)
        else:
            Identity.objects.create(issuer=issuer, subject=subject, user=user, seen_at=now)
        if not user.is_active:
            raise NoAccount("Your account is switched off.")
        if settings.SIGNALBOX_ROLES and groups is not None:
            give_role(user, role_of_groups(groups))
    return user


def _new_user(name: str) -> Any:
    """A user of this name, or of the first free one like it: alice, alice-2, alice-3."""
    for number in range(1, 1_000):
        wanted = name if number == 1 else f"{name[: LONGEST_NAME - 4]}-{number}"
        if named(wanted) is None:
            try:
                with transaction.atomic():
                    return make_user(wanted)
            except IntegrityError:  # somebody else took it in the same moment
                continue
    raise NoAccount("There is no free name for you here.")


def invite(role: str, note: str, by: str) -> tuple[Invitation, str]:
    """An invitation and its token, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    row = Invitation.objects.create(
        digest=digest(token), role=role, note=note[:150], made_by=by[:150], created_at=now, expires_at=now + VALID
    )
    return row, token


def open_invitation(token: str) -> Invitation | None:
    """The invitation of a link, while it can be used."""
    if len(token) > 100:
        return None
    found = Invitation.objects.filter(digest=digest(token)).first()
    return found if found and found.is_open else None


@retry_on_lock
def accept(invitation: Invitation, user: Any) -> bool:
    """Save a new user with the invitation's role; False when somebody else used the link first, and nothing is kept."""
    now = timezone.now()
    with transaction.atomic():
        unused = Invitation.objects.filter(pk=invitation.pk, used_at=None, expires_at__gt=now)
        if not unused.update(used_at=now, used_by=user.get_username()[:150]):
            return False
        user.save()
        give_role(user, invitation.role)
    return True

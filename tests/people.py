"""The people of every test of rights: Alice the owner, Bob the operator, Charlie the stranger, Ada the admin, Vera who only looks."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

ROLES = {"alice": "operator", "bob": "operator", "charlie": None, "ada": "admin", "vera": "viewer"}
PASSWORD = "a long enough pass phrase"  # noqa: S105 - of people who do not exist


def person(name: str) -> Any:
    """One of them, made on first use."""
    user, made = get_user_model().objects.get_or_create(username=name)
    if made:
        user.set_password(PASSWORD)
        user.save()
        if ROLES[name]:
            user.groups.add(Group.objects.get_or_create(name=ROLES[name])[0])
    return user

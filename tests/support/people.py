"""Whom the tests of rights are about: Alice the owner, Bob the operator, Charlie without a role, Ada and Vera."""

from functools import cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group

ROLES = {"alice": "operator", "bob": "operator", "charlie": None, "ada": "admin", "vera": "viewer"}
PASSWORD = "a long enough pass phrase"


def person(name: str) -> Any:
    """One of them, made on first use."""
    user, made = get_user_model().objects.get_or_create(username=name)
    if made:
        user.password = encoded()
        user.save()
        if ROLES[name]:
            user.groups.add(Group.objects.get_or_create(name=ROLES[name])[0])
    return user


@cache
def encoded() -> str:
    """The password as the product stores it; made once, since making it slowly is its purpose."""
    return PBKDF2PasswordHasher().encode(PASSWORD, "salt-of-the-tests")

"""People who are known by their mail address."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class People(BaseUserManager):
    def create_user(self, email: str, password: str | None = None, **more: Any) -> "Person":
        user = self.model(email=self.normalize_email(email), **more)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **more: Any) -> "Person":
        return self.create_user(email, password, is_superuser=True, is_staff=True, **more)


class Person(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    objects = People()

    def __str__(self) -> str:
        return self.email

"""The product's settings with another user model."""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.people.mailusers"]
AUTH_USER_MODEL = "mailusers.Person"

"""Django's settings for the peer: its defaults, and what Channels asks for."""

import os
from urllib.parse import urlsplit


def database(url: str) -> dict[str, object]:
    where = urlsplit(url)
    if where.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///")}
    account = {"NAME": where.path[1:], "USER": where.username, "HOST": where.hostname, "PORT": where.port}
    return {"ENGINE": "django.db.backends.postgresql"} | account


SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "channels"]
DATABASES = {"default": database(os.environ["DATABASE_URL"])}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "tests.faults.layer.FaultyCoreLayer", "CONFIG": {"hosts": [os.environ["REDIS_URL"]]}}
}

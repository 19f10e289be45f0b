"""A path under which everything lies, on a host that serves other sites too: SIGNALBOX_PREFIX, or ``--root-path``.

Proxies pass the prefix on or strip it, servers put it in front or do not. Inside, each request looks as ASGI wants it:
``root_path`` is the prefix, ``path`` begins with it, once.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix

Application = Callable[[Any, Any, Any], Awaitable[None]]


def prefixed(application: Application) -> Application:
    async def prefixed_application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        prefix = settings.FORCE_SCRIPT_NAME or scope.get("root_path", "").rstrip("/")
        if prefix:
            scope = scope | {"root_path": prefix, "path": prefix + within(within(scope["path"], prefix), prefix)}
        await application(scope, receive, send)

    return prefixed_application


def within(path: str, prefix: str | None = None) -> str:
    """The path below the prefix; one without the prefix as it is."""
    prefix = settings.FORCE_SCRIPT_NAME if prefix is None else prefix
    return (path.removeprefix(prefix) or "/") if prefix and f"{path}/".startswith(f"{prefix}/") else path


class StaticFiles(StaticFilesStorage):
    """Addresses of static files with the prefix of the request that asks, which Django reads once at the start."""

    def url(self, name: str | None) -> str:
        return get_script_prefix().rstrip("/") + super().url(name)

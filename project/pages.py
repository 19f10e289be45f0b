"""Django's part of the application: every page and the API."""

import asyncio
from typing import Any

from django.core import signals
from django.core.handlers.asgi import ASGIHandler

from project import lengths


class Pages(ASGIHandler):
    """Django's handler, which tells the end of a request also when its answer could not be sent to the end.

    Django does not: the connection of such a request would never go back to the pool, and after a few of them nobody
    would get one.
    """

    request_class = lengths.Request

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().handle(scope, receive, send)
        except BaseException:
            await asyncio.shield(signals.request_finished.asend(sender=self.__class__))
            raise

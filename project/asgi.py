"""HTTP to Django, WebSockets to the live consumers."""

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django_application = get_asgi_application()

from django.conf import settings  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402

from live.routing import websocket_urlpatterns  # noqa: E402 - models can be imported only after the apps are ready
from project import bodies, daphne, lengths  # noqa: E402


def wait_no_longer(connection: Any, **_: Any) -> None:
    """Than for SQLite: who asks is told with 503 that the database is busy, and may ask again. Not through a pooler."""
    if connection.vendor == "postgresql" and settings.PREPARE:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 2000")


connection_created.connect(wait_no_longer)
daphne.teach()
django_application.request_class = lengths.Request
application = lengths.bounded(
    ProtocolTypeRouter({"http": bodies.bounded(django_application), "websocket": URLRouter(websocket_urlpatterns)})
)

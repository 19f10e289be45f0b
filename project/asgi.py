"""HTTP to Django, WebSockets to the live consumers."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django_application = get_asgi_application()

from live.routing import websocket_urlpatterns  # noqa: E402 - models can be imported only after the apps are ready
from project import bodies, daphne  # noqa: E402

daphne.teach()
application = ProtocolTypeRouter(
    {"http": bodies.bounded(django_application), "websocket": URLRouter(websocket_urlpatterns)}
)

"""HTTP to Django, WebSockets to the live consumers."""

from channels.routing import ProtocolTypeRouter, URLRouter

from project import startup

startup.set_up()

from live.routing import websocket_urlpatterns  # noqa: E402 - models can be imported only after the apps are ready
from project import bodies, daphne, lengths, prefix, uvicorn  # noqa: E402
from project.pages import Pages  # noqa: E402

daphne.teach()
uvicorn.teach()
pages = Pages()
routes = ProtocolTypeRouter({"http": bodies.bounded(pages), "websocket": URLRouter(websocket_urlpatterns)})
application = lengths.bounded(prefix.prefixed(routes))

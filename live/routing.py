"""Where the sockets are."""

from django.urls import path, re_path

from live.consumers import LiveConsumer, nowhere

websocket_urlpatterns = [path("ws/live/", LiveConsumer.as_asgi()), re_path("", nowhere)]

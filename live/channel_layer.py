"""The channel layer as push and hub use it: an instance of their own for each loop, and a way to drop its connections.

Only the differences between the layers of channels_redis are here. It does not know what is sent or to whom.
"""

import asyncio
from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers
from django.conf import settings

TIMEOUT_S = 1.0


def group() -> str:
    """The one group that every server process listens to."""
    return f"{settings.SIGNALBOX_NAME}.live"


def fresh() -> Any:
    """A new instance of the configured layer: layers hold locks and connections that belong to one loop.

    In a team's own project it is the layer named "signalbox": the default one is the team's.
    """
    return channel_layers.make_backend("signalbox" if "signalbox" in settings.CHANNEL_LAYERS else DEFAULT_CHANNEL_LAYER)


async def drop(layer: Any) -> None:
    """Close the layer's connections, so that its next use opens new ones. Takes at most a second; raises only a cancel.

    The instance is kept: channels_redis wraps ``loop.close`` once more for each new one, for good. The core layer's
    ``flush`` would delete everybody's keys; the pubsub layer's ``flush`` closes connections and nothing else.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await (getattr(layer, "close_pools", None) or layer.flush)()
    except Exception:  # noqa: S110 - a connection that cannot even be closed is already lost
        pass
    if asyncio.current_task().cancelling():  # flush swallows every cancel, since it expects that of its own receiver
        raise asyncio.CancelledError

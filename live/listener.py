"""Receives the hub's messages: it joins the group on the channel layer and reconnects when the layer fails.

Layers fail silently: core loses a membership after a day or a FLUSHALL, pubsub does not notice a dead connection. So
the listener repeats its membership and sends an echo to itself. Without echo it connects again.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

from live import channel_layer, hints

DEAF_AFTER = 3  # rounds without the echo
REST_S = 0.5

log = logging.getLogger(__name__)


class Listener:
    """Two tasks: one receives, one checks the connection. ``take`` gets each message with our signature."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take
        self._layer: Any = None
        self._channel: str | None = None
        self._heard = 0.0
        self._well = True
        self._ear: asyncio.Task | None = None
        self._nurse: asyncio.Task | None = None
        self._last_words: asyncio.Task | None = None
        self.connects = 0

    def start(self) -> None:
        self._heard = time.monotonic()
        self._ear = asyncio.create_task(self._listen())
        self._nurse = asyncio.create_task(self._tend())

    def stop(self) -> None:
        """End both tasks; the connections are closed in the background."""
        if self._nurse is not None:
            self._nurse.cancel()
            self._nurse = None
            self._last_words = asyncio.create_task(self._hang_up())

    async def _listen(self) -> None:
        while True:
            try:
                if self._layer is None:
                    self._layer = channel_layer.fresh()
                async with asyncio.timeout(channel_layer.TIMEOUT_S):
                    channel = await self._layer.new_channel()
                    await self._layer.group_add(channel_layer.group(), channel)
                self._channel = channel
                self.connects += 1
                while True:
                    message = await self._layer.receive(channel)
                    self._heard = time.monotonic()
                    if message.get("type") == "jobs" and hints.trusted(message):
                        self._take(message)
            except Exception as error:
                if asyncio.current_task().cancelling():  # the layer's own error on a dead link has hidden the cancel
                    raise asyncio.CancelledError from error
                self._sick(error)
                self._channel = None
                if self._layer is not None:
                    await channel_layer.drop(self._layer)
                await asyncio.sleep(REST_S)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(settings.SIGNALBOX_RECONCILE_S)
            try:
                if self._channel is not None:
                    async with asyncio.timeout(channel_layer.TIMEOUT_S):
                        await self._layer.group_add(channel_layer.group(), self._channel)
                        await self._layer.send(self._channel, {"type": "echo"})
                    self._well = True
            except Exception as error:
                self._sick(error)
            if time.monotonic() - self._heard > DEAF_AFTER * settings.SIGNALBOX_RECONCILE_S + channel_layer.TIMEOUT_S:
                await self._hang_up()
                self._heard = time.monotonic()
                self._ear = asyncio.create_task(self._listen())

    async def _hang_up(self) -> None:
        """Close connections first: a pubsub receiver that is cancelled would try to unsubscribe on the dead link."""
        self._channel = None
        if self._layer is not None:
            await channel_layer.drop(self._layer)
        if self._ear is not None:
            self._ear.cancel()
            await asyncio.wait([self._ear], timeout=channel_layer.TIMEOUT_S)

    def _sick(self, error: Exception) -> None:
        if self._well:
            log.warning("the channel layer does not answer (%r); the board is read from the database meanwhile", error)
        self._well = False

"""Channel layers that lose, double and delay messages when a file says so: the product's own, and Channels' usual one.

Chosen by SIGNALBOX_CHANNEL_LAYER. The file (its path in FAULTS_LAYER) holds JSON: ``{"drop": 0.3, "double": 0.3,
"delay": 3, "seed": 1}``; without it this is the layer below and nothing more.
"""

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

LOOK_S = 0.2


class Faulty:
    """To be mixed into a layer."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._path = Path(os.environ.get("FAULTS_LAYER", "/nonexistent"))
        self._looked, self._faults = 0.0, {}
        self._late: set[asyncio.Task] = set()
        self._random = random.Random(os.getpid())

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        faults = self._now()
        copies = 0 if self._chance(faults, "drop") else 2 if self._chance(faults, "double") else 1
        for _ in range(copies):
            if delay := self._random.uniform(0, faults.get("delay", 0)):
                late = asyncio.create_task(self._send_late(delay, group, message))
                self._late.add(late)
                late.add_done_callback(self._late.discard)
            else:
                await self._really(group, message)

    async def _send_late(self, delay: float, group: str, message: dict[str, Any]) -> None:
        await asyncio.sleep(delay)  # each on its own, so that they overtake one another
        await self._really(group, message)

    async def _really(self, group: str, message: dict[str, Any]) -> None:
        raise NotImplementedError

    def _chance(self, faults: dict[str, float], name: str) -> bool:
        return self._random.random() < faults.get(name, 0)

    def _now(self) -> dict[str, float]:
        if time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            try:
                self._faults = json.loads(self._path.read_text())
            except (OSError, ValueError):
                self._faults = {}
        return self._faults


class FaultyLayer(Faulty, RedisPubSubChannelLayer):
    async def _really(self, group: str, message: dict[str, Any]) -> None:
        await self.__getattr__("group_send")(group, message)


class FaultyCoreLayer(Faulty, RedisChannelLayer):
    async def _really(self, group: str, message: dict[str, Any]) -> None:
        await RedisChannelLayer.group_send(self, group, message)

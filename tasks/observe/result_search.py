"""Looks through a Redis result backend for what ended while nobody listened. Reads only, a step at a time."""

from collections import Counter
from typing import Any

import redis

from tasks.observe import broker, streams
from tasks.observe.looks import ENDED

AT_ONCE, MOST = 1_000, 20_000  # keys of one step, and of one search
SKEW_S = 2.0  # by which the clocks of workers may differ from ours


class ResultSearch:
    """Of all results that are stored, those of that time. Times in seconds since 1970."""

    def __init__(self, client: redis.Redis, prefix: str, begin: float, until: float) -> None:
        self.client, self.begin, self.until = client, begin - SKEW_S, until + SKEW_S
        self.pattern = f"{broker.glob(prefix)}celery-task-meta-*"
        self.cursor, self.read, self.is_over = 0, 0, False

    def step(self) -> list[dict[str, Any]]:
        """What the next keys hold. Raises what the driver raises; an access list that forbids it ends the search."""
        try:
            self.cursor, keys = self.client.scan(self.cursor, match=self.pattern, count=AT_ONCE)
            found = self.client.mget(keys) if keys else []
        except redis.ResponseError:
            self.is_over = True
            return []
        self.read += len(keys)
        self.is_over = not self.cursor or self.read >= MOST
        metas = (streams.read_meta(raw, Counter()) for raw in found if raw)
        return [meta for meta in metas if meta and meta["status"] in ENDED and self._is_of_then(meta["at"])]

    def _is_of_then(self, at: float | None) -> bool:
        return at is not None and self.begin <= at <= self.until

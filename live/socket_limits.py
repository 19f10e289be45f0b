"""Counts each user's sockets in all server processes: each process writes its own number to Redis.

Without an answer from Redis a process counts only its own sockets. Redis measures the time, so clocks of machines need
not agree. A number expires after three beats, unless the process writes it again.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Collection
from uuid import uuid4

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from live.mailbox import Mailbox

TIMEOUT_S = 1.0
TOO_MANY = "too many sockets of this user"
# Keys of one user. ARGV: the process, its sockets now, seconds until that expires. Answers the sum of all processes.
SAY = """
local now, sum = tonumber(redis.call('TIME')[1]), 0
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. now)
local said = redis.call('HGETALL', KEYS[1])
for i = 1, #said, 2 do
    local count, at = string.match(said[i + 1], '^(%d+) (%d+)$')
    if count == '0' or now - at > tonumber(ARGV[3]) then
        redis.call('HDEL', KEYS[1], said[i])
    else
        sum = sum + count
    end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return sum
"""

log = logging.getLogger(__name__)


class SocketCounter:
    """The counter of one process and loop. It has one connection and one request at a time for all changes."""

    def __init__(self, mailboxes: Collection[Mailbox]) -> None:
        self._mailboxes, self._me = mailboxes, uuid4().hex
        self._came: dict[int, list[Mailbox]] = {}  # user → new sockets; an empty list: some have left
        self._changed = asyncio.Event()
        self._task: asyncio.Task | None = None
        self._well = True

    def came(self, mailbox: Mailbox) -> None:
        """Close this socket if its user has too many now. The socket works meanwhile: nothing waits for Redis."""
        self._came.setdefault(mailbox.visitor.user, []).append(mailbox)
        self._wake()

    def left(self, mailbox: Mailbox) -> None:
        self._came.setdefault(mailbox.visitor.user, [])
        self._wake()

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _wake(self) -> None:
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        repeated = time.monotonic()
        async with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=TIMEOUT_S) as link:
            while self._came or self._mailboxes:
                try:
                    async with asyncio.timeout_at(repeated + settings.SIGNALBOX_BEAT_S):
                        await self._changed.wait()
                except TimeoutError:
                    repeated = time.monotonic()
                    for mailbox in self._mailboxes:
                        self._came.setdefault(mailbox.visitor.user, [])
                self._changed.clear()
                came, self._came = self._came, {}
                try:
                    async with asyncio.timeout(TIMEOUT_S):
                        await self._round(link, came)
                    self._well = True
                except (RedisError, OSError, TimeoutError) as error:
                    if self._well:
                        log.warning("Redis does not say how many sockets a user has elsewhere (%r)", error)
                    self._well = False

    async def _round(self, link: Redis, came: dict[int, list[Mailbox]]) -> None:
        counts = Counter(mailbox.visitor.user for mailbox in self._mailboxes)
        forgotten = max(3, round(3 * settings.SIGNALBOX_BEAT_S))
        pipe = link.pipeline(transaction=False)
        for user in came:
            pipe.eval(SAY, 1, f"{settings.SIGNALBOX_NAME}.sockets.{user}", self._me, counts[user], forgotten)
        for mailboxes, everywhere in zip(came.values(), await pipe.execute(), strict=True):
            for mailbox in mailboxes[: max(0, everywhere - settings.SIGNALBOX_SOCKETS_PER_USER)]:
                mailbox.close(1013, TOO_MANY)

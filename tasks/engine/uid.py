"""Public ids: UUID version 7 of RFC 9562, so that they sort by time. (In the standard library from 3.14.)"""

import os
import time
import uuid

AT_ONCE = 256  # ids for which random bytes are read together: to ask the system for them is most of what an id costs
_random: list[bytes] = []
os.register_at_fork(after_in_child=_random.clear)  # two processes never use the same ones


def uuid7() -> uuid.UUID:
    """48 bits of Unix milliseconds, then 74 random bits."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(_ten_bytes())
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return uuid.UUID(int=value)


def _ten_bytes() -> bytes:
    while True:
        try:
            return _random.pop()  # for one thread alone
        except IndexError:
            found = os.urandom(10 * AT_ONCE)
            _random.extend(found[start : start + 10] for start in range(0, len(found), 10))

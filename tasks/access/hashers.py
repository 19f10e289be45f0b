"""Hashes passwords a few at a time: hashing is slow by design, and would take the processor from everything else.

The algorithm is Django's, and so is what is stored.
"""

import os
import threading
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connections

AT_ONCE = max(1, (os.cpu_count() or 2) // 2)  # in one process
WAITING = 50  # and so many may wait for their turn


class Busy(Exception):
    """Too many passwords wait to be hashed."""


class Turns:
    """Lets a few callers through at a time. A caller that waits keeps no connection to the database meanwhile."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._turns = threading.BoundedSemaphore(at_once)
        self._all = threading.BoundedSemaphore(at_once + waiting)

    def __enter__(self) -> None:
        if not self._all.acquire(blocking=False):
            raise Busy("Too many passwords wait to be hashed.")
        for connection in connections.all(initialized_only=True):
            connection.close()
        self._turns.acquire()

    def __exit__(self, *_: Any) -> None:
        self._turns.release()
        self._all.release()


turns = Turns()


class Hasher(PBKDF2PasswordHasher):
    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        if any(connection.in_atomic_block for connection in connections.all(initialized_only=True)):
            return super().encode(password, salt, iterations)  # nobody waits while a transaction is open
        with turns:
            return super().encode(password, salt, iterations)

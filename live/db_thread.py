"""A thread with one database connection, for an event loop that must never wait for the database.

A daemon thread, not an executor: a database that hangs must not keep the process from ending.
"""

import asyncio
import copy
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    close_old_connections,
    connection,
    connections,
    transaction,
)
from django.db.utils import load_backend

P = ParamSpec("P")
T = TypeVar("T")

STATEMENT_TIMEOUT_MS = 5_000


class DatabaseThread:
    """Runs functions one after the other. Started by the first, ended by ``stop``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, function: Callable[P, T], *args: P.args) -> T:
        """Return or raise what the function does. If the caller is cancelled, the result is dropped."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._work.put((loop, answer, function, args))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        return await answer

    def stop(self) -> None:
        """End the thread after the functions that wait already. The next ``run`` starts another thread."""
        if self._thread is not None:
            self._work.put(None)
            self._thread = None

    def _serve(self) -> None:
        own_connection(STATEMENT_TIMEOUT_MS)
        while (work := self._work.get()) is not None:
            loop, answer, function, args = work
            result, error = None, None
            try:
                close_old_connections()
                with limited(STATEMENT_TIMEOUT_MS):
                    result = function(*args)
            except (DatabaseError, InterfaceError) as broken:
                connection.close()
                error = broken
            except Exception as wrong:
                error = wrong
            try:
                loop.call_soon_threadsafe(_tell, answer, result, error)
            except RuntimeError:  # the loop has ended meanwhile
                break
        connection.close()


def own_connection(milliseconds: int) -> None:
    """From now on this thread's connection is its own, outside of the pool and kept; no statement takes longer."""
    own = copy.deepcopy(connections.settings[DEFAULT_DB_ALIAS]) | {"CONN_MAX_AGE": None}
    own["OPTIONS"].pop("pool", None)
    if own["ENGINE"].endswith("postgresql") and settings.PREPARE:
        own["OPTIONS"]["options"] = f"{own['OPTIONS'].get('options', '')} -c statement_timeout={milliseconds}".strip()
    connections[DEFAULT_DB_ALIAS] = load_backend(own["ENGINE"]).DatabaseWrapper(own, DEFAULT_DB_ALIAS)


@contextmanager
def limited(milliseconds: int) -> Iterator[None]:
    """The same limit behind a pooler, where a setting of the session would be one of whoever gets it next."""
    if connection.vendor != "postgresql" or settings.PREPARE:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
        yield


def _tell(answer: asyncio.Future, result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)

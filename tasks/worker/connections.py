"""What a job's code leaves in connections to databases, and how such a connection is thrown away.

A connection is clean when it has no open transaction and nothing was set in its session. Statements are looked at for
the second: those that only read and write rows leave nothing behind.
"""

import gc
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any
from weakref import WeakSet

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

log = logging.getLogger(__name__)

PATIENCE_S = 1.0  # for a transaction of a thread that outlives its job
GONE = "(it was thrown away when the job that left it in a transaction had ended)"  # an alias that nobody has
FIRST = re.compile(r"[\s(]*(\w+)")
ROWS = {"select", "insert", "update", "delete", "with", "values", "table", "explain", "copy"}
BLOCKS = {"begin", "commit", "end", "rollback", "savepoint", "release", "start"}  # an open one is seen by itself
HARMLESS = ROWS | BLOCKS
# What leaves something behind although it is only selected.
SETTERS = re.compile(r"set_config|advisory_lock|\b(?:into|create)\s+(?:\w+\s+)?temp")
HINTS = ("set_config", "advisory_lock", "temp")  # quicker to look for

DRIVER = ("row_factory", "text_factory", "isolation_level", "read_only", "deferrable", "prepare_threshold")

_opened: WeakSet[BaseDatabaseWrapper] = WeakSet()  # every connection of this process
_forgotten: list[BaseDatabaseWrapper] = []  # never closed, and never collected
running: Mapping[str, int] = {}  # the jobs that run in this process, and their threads; replaced, never changed


class Session:
    """What was set in one session of a database, and which jobs ran when it was last used."""

    def __init__(self, driver: Any) -> None:
        self.jobs, self.left, self.driver = running, "", attributes(driver)

    def look_at(self, statement: Any, one: bool = False) -> None:
        """``one``: the text is a single statement, with its values in place."""
        self.jobs = running
        if self.left:
            return
        first = FIRST.match(statement)
        harmless = first is not None and first[1].lower() in HARMLESS
        if harmless and not one:
            more = ";" in statement and ";" in statement.rstrip("; \n")
            small = statement.lower()
            harmless = not more and not (any(map(small.__contains__, HINTS)) and SETTERS.search(small))
        if not harmless:
            self.left = first[1].upper() if first else "a statement"


def watch() -> None:
    """From now on every connection that this process opens is looked after."""
    connection_created.connect(_look_after, dispatch_uid="signalbox")


def _look_after(connection: BaseDatabaseWrapper, **_: Any) -> None:
    session = connection.signalbox = Session(connection.connection)
    _opened.add(connection)
    if connection.vendor == "sqlite":
        connection.connection.set_trace_callback(lambda statement: session.look_at(statement, one=True))
        if hasattr(connection.connection, "changed"):
            connection.connection.changed = ""  # what Django and receivers of the signal set is there each time
    elif connection.vendor == "postgresql":
        connection.connection.signalbox = session
        connection.connection.cursor_factory = _looking(connection.connection.cursor_factory)


@cache
def _looking(cursor: type) -> type:
    """A class of cursors that shows its connection's session what it executes."""

    def looking(name: str) -> Any:
        method = getattr(cursor, name)

        def looked(self: Any, query: Any, *args: Any, **options: Any) -> Any:
            self.connection.signalbox.look_at(_text(query, self.connection))
            return method(self, query, *args, **options)

        return looked

    return type(cursor.__name__, (cursor,), {name: looking(name) for name in ("execute", "executemany", "stream")})


def _text(query: Any, driver: Any) -> str:
    """A statement of psycopg: a text, bytes, or an object that makes one."""
    if isinstance(query, str):
        return query
    return query.decode(errors="replace") if isinstance(query, bytes) else query.as_string(driver)


def inside() -> frozenset[str]:
    """Aliases of this thread that are in a transaction already: who began it ends it."""
    return frozenset(each.alias for each in connections.all(initialized_only=True) if each.in_atomic_block)


def clean(but: Collection[str] = ()) -> list[str]:
    """Throw away this thread's connections that are not clean, ``but`` some aliases; what was wrong, in words."""
    said = []
    for connection in connections.all(initialized_only=True):
        if connection.alias in but:
            continue
        try:
            wrong = _wrong_with(connection)
        except Exception:  # whatever it is: the others are looked at as well
            wrong = "something that cannot be told"
        if wrong:
            throw_away(connection)
            said.append(f"{wrong} of the database {connection.alias!r}")
    return said


def throw_away(connection: BaseDatabaseWrapper) -> None:
    """Roll back, close, and let a new one take its place. Blocks that are still open never touch that one."""
    for block in getattr(connection, "atomic_blocks", ()):
        block.using = GONE  # a generator that is collected later would end somebody else's transaction
    connection.in_atomic_block = connection.closed_in_transaction = False
    try:
        if connection.connection is not None:
            connection.connection.close()
        connection.close()
    except Exception:
        log.debug("An unclean connection did not close.", exc_info=True)
    _end_turn(connection)
    del connections[connection.alias]


def forget() -> None:
    """This thread's connections when their descriptors were closed: other files may have these numbers by now, so
    nothing of them is touched again."""
    for connection in connections.all(initialized_only=True):
        _forgotten.append(connection)
        for block in connection.atomic_blocks:
            block.using = GONE
        connections[connection.alias] = connections.create_connection(connection.alias)


def _wrong_with(connection: BaseDatabaseWrapper) -> str:
    driver = connection.connection
    if connection.in_atomic_block or connection.savepoint_ids:
        return "an open transaction"
    if driver is None:
        return ""
    if connection.autocommit != connection.settings_dict["AUTOCOMMIT"] or in_transaction(driver):
        return "an open transaction"
    session = getattr(connection, "signalbox", None)
    if session is None:  # of a process that runs no worker: nobody knows what was there before
        return "a wrapper around statements" if connection.execute_wrappers else ""
    if session.left:
        return f"what {session.left} left in the session"
    if what := getattr(driver, "changed", ""):
        return f"what {what} set in the driver's connection"
    if (now := attributes(driver)) and now != session.driver:
        return "an attribute of the driver's connection"
    return "a wrapper around statements" if connection.execute_wrappers else ""


def attributes(driver: Any) -> list[Any]:
    """What the driver itself lets anybody set on a connection; nothing of one that is closed."""
    try:
        return [getattr(driver, name, None) for name in DRIVER]
    except Exception:  # each driver has its own
        return []


def settings() -> list[dict[str, Any]]:
    """Those of all databases, as they are now."""
    return [{**each, "OPTIONS": {**each.get("OPTIONS", {})}} for each in connections.settings.values()]


def set_settings(before: list[dict[str, Any]]) -> None:
    """Put them back. A connection of this thread may be one to another database."""
    for found, was in zip(connections.settings.values(), before, strict=False):
        found.clear()
        found.update(was)
    for each in connections.all(initialized_only=True):
        throw_away(each)


def in_transaction(driver: Any) -> bool:
    """Whether a connection of the driver is in a transaction, asked without a statement."""
    try:
        if isinstance(driver, sqlite3.Connection):
            return driver.in_transaction
        return driver.pgconn.transaction_status in (1, 2, 3)  # libpq: active, in a transaction, in a failed one
    except Exception:  # closed, or of a driver that nobody here knows
        return False


def free_from_threads() -> list[str]:
    """End transactions of threads whose jobs have ended; what was ended, in words."""
    if not any(map(_left_behind, _all_opened())):
        return []
    until = time.monotonic() + PATIENCE_S
    while (left := [each for each in _all_opened() if _left_behind(each)]) and time.monotonic() < until:
        time.sleep(0.02)
    for connection in left:
        _cut(connection.connection)
        _end_turn(connection)
    return [f"a transaction of a thread in the database {each.alias!r}" for each in left]


def free_from_strangers() -> None:
    """On SQLite one connection that a job made itself, and left in a transaction, keeps everybody from writing.

    Looks through all objects of the process: only for when nothing can be written.
    """
    ours = {id(each.connection) for each in _all_opened()}
    for found in gc.get_objects():
        if issubclass(type(found), sqlite3.Connection) and id(found) not in ours and in_transaction(found):
            _cut(found)


def _all_opened() -> list[BaseDatabaseWrapper]:
    try:
        return list(_opened)
    except RuntimeError:  # another thread opened one meanwhile
        return []


def _left_behind(connection: BaseDatabaseWrapper) -> bool:
    if connection.connection is None or not in_transaction(connection.connection):
        return False
    own = {threading.get_ident(), *running.values()}
    own |= {each.ident for each in threading.enumerate() if each.name.startswith("signalbox-")}
    return connection._thread_ident not in own and not connection.signalbox.jobs.keys() & running.keys()


def _end_turn(connection: BaseDatabaseWrapper) -> None:
    """Our backend of SQLite has turns to write, and its connection was ended behind its back."""
    if hasattr(connection, "end_turn"):
        connection.end_turn()


def _cut(driver: Any) -> None:
    """End a connection of another thread. That thread gets an error when it next uses it."""
    try:
        if isinstance(driver, sqlite3.Connection):
            driver.interrupt()
            driver.rollback()
        driver.close()
    except Exception:
        log.warning("A transaction that a thread holds could not be ended.", exc_info=True)

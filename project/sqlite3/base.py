"""Django's backend for SQLite, with four differences.

Writers take turns. A search can fold the letters of every alphabet. A connection knows what was set on it by a call.
And one value that cannot be read does not cost the whole answer: SQLite's columns have no types, so whoever writes by
hand may leave a date that is none in a table, and Django would raise for every page, chore and process that reads the
row. Such a value is logged, and read as one that stands out.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.backends.sqlite3 import base, operations
from django.utils.dateparse import parse_datetime

from project.sqlite3 import turns

log = logging.getLogger(__name__)

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
NO_ID = UUID(int=0)
MOST_NAMED = 1_000
MOST_KEPT = 10_000  # characters of a statement whose rewriting is kept; a longer one inserts many rows at once
_named: set[tuple[str, str]] = set()  # what this process has complained of


def read_datetime(value: bytes) -> datetime | str:
    """What the driver makes of a column of moments: a text that is none stays one, and the field complains."""
    text = value.decode(errors="replace")
    try:
        return parse_datetime(text) or text
    except ValueError:
        return text


base.Database.register_converter("datetime", read_datetime)


class DatabaseOperations(operations.DatabaseOperations):
    def convert_datetimefield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            found = super().convert_datetimefield_value(value, expression, connection)
            return found if found is not None or value is None else _complained(value, expression, NO_TIME)
        except (ValueError, TypeError, AttributeError, OverflowError):
            return _complained(value, expression, NO_TIME)

    def convert_uuidfield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            return super().convert_uuidfield_value(value, expression, connection)
        except (ValueError, TypeError, AttributeError):
            return _complained(value, expression, NO_ID)


class Connection(base.Database.Connection):
    """A connection of the driver that knows what was set on it by a call, which can be read back from nowhere."""

    changed = ""


def _noting(name: str) -> Any:
    method = getattr(base.Database.Connection, name)

    def noted(self: Connection, *args: Any, **options: Any) -> Any:
        self.changed = name
        return method(self, *args, **options)

    return noted


for _name in (
    "create_aggregate", "create_collation", "create_function", "create_window_function", "deserialize",
    "enable_load_extension", "load_extension", "set_authorizer", "set_progress_handler", "set_trace_callback",
    "setlimit",
):  # fmt: skip
    if hasattr(base.Database.Connection, _name):  # some builds leave some out
        setattr(Connection, _name, _noting(_name))


class Cursor(base.SQLiteCursorWrapper):
    """Django's cursor, which rewrites the placeholders of a statement that is repeated once."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        if param_names is not None or len(query) > MOST_KEPT:
            return super().convert_query(query, param_names=param_names)
        return _convert_query(query)


@lru_cache(maxsize=256)
def _convert_query(query: str) -> str:
    return base.SQLiteCursorWrapper.convert_query(None, query)


class DatabaseWrapper(base.DatabaseWrapper):
    """Transactions, and single statements inside of ``turn``, wait for their turn to write."""

    ops_class = DatabaseOperations
    _folder = ""  # of the database; none: it is in memory
    _held: turns.Turn | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around one statement of an open connection that writes, until its answer was read."""
        if self.in_atomic_block:
            yield
            return
        self._take_turn()
        try:
            yield
        finally:
            self.end_turn()

    def _take_turn(self) -> None:
        if self._folder:
            self._held = turns.take(self._folder)

    def end_turn(self) -> None:
        """Whoever ends a transaction without a commit or a rollback of ours calls this."""
        if self._held is not None:
            turns.give_back(self._held)
            self._held = None

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()
        except BaseException:
            self.end_turn()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()
        finally:
            self.end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self.end_turn()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self.end_turn()

    def create_cursor(self, name: str | None = None) -> Cursor:
        return self.connection.cursor(factory=Cursor)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        made = super().get_new_connection({"factory": Connection, **conn_params})
        name = str(conn_params["database"])
        self._folder = "" if name.startswith((":memory:", "file:")) else os.path.dirname(name) or "."
        made.create_function("SIGNALBOX_HAS", 2, has, deterministic=True)
        made.create_function("SIGNALBOX_JSON_HAS", 2, json_has, deterministic=True)
        return made


def has(text: Any, upper: str) -> bool:
    """Whether a text has a word, given in capitals: SQLite's own LIKE knows the letters of ASCII only."""
    return isinstance(text, str) and not text.isascii() and upper in text.upper()


def json_has(text: Any, upper: str) -> bool:
    """The same of a column of JSON, in which letters beyond ASCII are escaped."""
    if not isinstance(text, str) or "\\u" not in text:
        return has(text, upper)
    try:
        return upper in json.dumps(json.loads(text), ensure_ascii=False).upper()
    except ValueError:
        return False


def _complained(value: Any, expression: Any, instead: Any) -> Any:
    column = getattr(expression, "target", None)
    name = f"{column.model._meta.db_table}.{column.column}" if column is not None else "a column"
    if (what := (name, repr(value)[:100])) not in _named:
        if len(_named) >= MOST_NAMED:
            _named.clear()
        _named.add(what)
        log.error("%s holds %s, which cannot be read; it is shown as %s.", *what, instead)
    return instead

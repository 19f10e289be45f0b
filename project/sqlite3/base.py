"""Django's backend for SQLite, for which one value that cannot be read is no reason to lose the whole answer.

SQLite's columns have no types: whoever writes by hand may leave a date that is none in a table, and Django would raise
for every page, chore and process that reads the row. Such a value is logged, and read as one that stands out.
"""

import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.backends.sqlite3 import base, operations
from django.utils.dateparse import parse_datetime

log = logging.getLogger(__name__)

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
NO_ID = UUID(int=0)
MOST_NAMED = 1_000
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


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = DatabaseOperations


def _complained(value: Any, expression: Any, instead: Any) -> Any:
    column = getattr(expression, "target", None)
    name = f"{column.model._meta.db_table}.{column.column}" if column is not None else "a column"
    if (what := (name, repr(value)[:100])) not in _named:
        if len(_named) >= MOST_NAMED:
            _named.clear()
        _named.add(what)
        log.error("%s holds %s, which cannot be read; it is shown as %s.", *what, instead)
    return instead

"""Statistics of the database for one test: whatever plans it makes, the tests after it make their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def analyzed() -> Iterator[None]:
    """Statistics of the rows that are there now. SQLite keeps them in the file, which the whole run shares."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    try:
        yield
    finally:
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM sqlite_stat1")
                cursor.execute("ANALYZE sqlite_schema")

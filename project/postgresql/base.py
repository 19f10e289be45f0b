"""Django's backend for PostgreSQL, with one difference: a moment that Python has no word for does not cost the answer.

A column of moments may hold ``infinity``, or a year before 1 or after 9999. The driver refuses to read it, and with it
the whole answer of every page, chore and process that meets the row. Such a value is logged, and read as one that
stands out.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import BaseTzLoader, TimestamptzLoader
from psycopg import DataError
from psycopg.adapt import AdaptersMap

log = logging.getLogger(__name__)

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
MOST_NAMED = 1_000
_named: set[bytes] = set()  # what this process has complained of


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        made = super().get_connection_params()
        made["context"] = AdaptersMap(made["context"])
        made["context"].register_loader("timestamptz", loader(self.timezone))
        return made


def loader(zone: Any) -> type[BaseTzLoader]:
    if zone not in _loaders:
        _loaders[zone] = type("TimeLoader", (TimeLoader,), {"timezone": zone})
    return _loaders[zone]


class TimeLoader(BaseTzLoader):
    def load(self, data: Any) -> datetime:
        try:  # Python's own reader takes half of the driver's time, and does not know all that PostgreSQL writes
            return datetime.fromisoformat(bytes(data).decode()).replace(tzinfo=self.timezone)
        except ValueError:
            return self._load_as_written(data)

    def _load_as_written(self, data: Any) -> datetime:
        try:
            return TimestamptzLoader.load(self, data).replace(tzinfo=self.timezone)
        except (DataError, OverflowError):
            if (what := bytes(data)) not in _named:
                if len(_named) >= MOST_NAMED:
                    _named.clear()
                _named.add(what)
                log.error("A column holds the moment %s, which cannot be read; it is shown as %s.", what, NO_TIME)
            return NO_TIME if self.timezone is not None else NO_TIME.replace(tzinfo=None)


_loaders: dict[Any, type[TimeLoader]] = {}

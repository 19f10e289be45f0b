"""Reads rows of which some cannot be read: a bad row is named in a sentence, and the others are returned.

A column that others write to may hold a time zone that does not exist, or a date that is none. Django raises while it
reads such a row, and the whole answer is lost.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet

log = logging.getLogger(__name__)
_named: set[tuple[str, Any, str]] = set()  # rows that this process has complained of
MOST_NAMED = 1_000


def readable(rows: QuerySet[Any], unreadable: list[str] | None = None) -> list[Any]:
    """The rows, in their order, without those that cannot be read; of these ``unreadable`` gets a sentence each.

    One query as long as all is well. Raises what Django raises when the database is away.
    """
    try:
        return list(rows)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        keys = list(rows.values_list("pk", flat=True))
    unlimited = rows.all()
    unlimited.query.clear_limits()
    return _halves(unlimited, keys, [] if unreadable is None else unreadable)


def each(rows: list[Any], shown: Callable[[Any], Any], unreadable: list[str] | None = None) -> list[Any]:
    """``shown`` of each row, without those for which it raises; of these ``unreadable`` gets a sentence each."""
    found = []
    for row in rows:
        try:
            found.append(shown(row))
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            sentence = complain(type(row), row.pk, error)
            if unreadable is not None:
                unreadable.append(sentence)
    return found


def _halves(rows: QuerySet[Any], keys: list[Any], unreadable: list[str]) -> list[Any]:
    try:
        return list(rows.filter(pk__in=keys))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(keys) <= 1:
            unreadable.extend(complain(rows.model, key, error) for key in keys)
            return []
    middle = len(keys) // 2
    return _halves(rows, keys[:middle], unreadable) + _halves(rows, keys[middle:], unreadable)


def complain(model: type, key: Any, error: BaseException) -> str:
    """A sentence that names a row and what is wrong with it; each one is logged once by each process."""
    what = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
    sentence = f"The {model._meta.verbose_name} in row {key} of {model._meta.db_table} cannot be read: {what}"
    if (name := (model._meta.db_table, key, what)) not in _named:
        if len(_named) >= MOST_NAMED:
            _named.clear()
        _named.add(name)
        log.error("%s", sentence)
    return sentence

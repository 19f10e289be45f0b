"""Every change of a job's row is one guarded UPDATE … RETURNING.

The same SQL runs on PostgreSQL and SQLite. Nothing is read before or after: the returned row is the written one.
No row means that another process moved the job first.
"""

import random
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cache, lru_cache, wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections, transaction
from django.db.models import CharField, IntegerField, JSONField, TextField
from django.db.models.base import ModelState

from tasks.engine.models import Job

P = ParamSpec("P")
T = TypeVar("T")
PAUSES_S = (0.02, 0.1, 0.3)
PATIENCE_S = 1.9  # a statement that took longer waited for a lock; it is not repeated, the caller gets the error
# Of one job, at the start of a WHERE. With the uid beside a state, PostgreSQL may read all rows of that state instead:
# the index of those is small when it plans, and it uses a plan again for as long as it likes.
OF_UID = "id = (SELECT id FROM tasks_job WHERE uid = %s)"
PLAIN = (str, int)  # and not ``str | int``, which Python would build again for each value


class Raw(NamedTuple):
    """An SQL expression in place of a value. ``value`` fills its ``%s``, if it has one."""

    sql: str
    value: Any = None


NOT_BEFORE = {"postgresql": "GREATEST(%s, {})", "sqlite": "MAX(%s, COALESCE({}, ''))"}


def not_before(column: str, moment: datetime) -> Raw:
    """The moment, or that of the column if it is later.

    Who waits for its turn has read the clock before what it waits for has ended, and clocks of two hosts differ.
    """
    return Raw(NOT_BEFORE[connection.vendor].format(column), moment)


FOUND = {"postgresql": "id = ANY(ARRAY({}))", "sqlite": "id IN ({})"}


def found_by(select: str) -> str:
    """A condition for the rows whose ids a SELECT with a LIMIT finds.

    With IN, PostgreSQL runs the SELECT again for each row as long as it takes the table for a small one. An array is
    made once.
    """
    return FOUND[connection.vendor].format(select)


def now() -> datetime:
    return datetime.now(UTC)


def move(
    sets: dict[str, Any],
    where: str,
    args: Iterable[Any] = (),
    raises: str = "version = version + 1, ",
    known: Job | None = None,
) -> list[Job]:
    """UPDATE our jobs that match ``where``, raise their version, and return the new rows with owners' names.

    The tasks of watched applications are never moved from here: what they do is for those applications to say.
    ``sets`` maps columns to values or Raw; ``args`` fill the ``%s`` of ``where``. ``known``: the job as an earlier move
    returned it, if it is the one that ``where`` names; what has not changed since is not read again.
    """
    link = connections[DEFAULT_DB_ALIAS]  # looked up once: ``connection`` looks it up at each use of an attribute
    places = tuple((name, value.sql if isinstance(value, Raw) else "%s") for name, value in sets.items())
    values = []
    for name, value in sets.items():
        if not isinstance(value, Raw):
            values.append(_adapt(name, value, link))
        elif value.value is not None:
            values.append(_adapt(name, value.value, link))
    values += [_adapt_argument(value, link) for value in args]
    with link.cursor() as cursor, getattr(link, "turn", nullcontext)():
        cursor.execute(_update(places, where, raises), values)
        rows = cursor.fetchall()
    return [_build(row, link, known) for row in rows]


@lru_cache(maxsize=256)  # few texts, each used for thousands of jobs
def _update(places: tuple[tuple[str, str], ...], where: str, raises: str) -> str:
    columns = ", ".join(f"{name} = {place}" for name, place in places)
    return f"UPDATE {Job._meta.db_table} SET {raises}{columns} WHERE app = '' AND ({where}) RETURNING {_returning()}"  # noqa: S608 - our own words


def _adapt(column: str, value: Any, link: Any) -> Any:
    """``value`` as the driver of ``link`` wants it for a column of Job."""
    if isinstance(value, PLAIN) and column in _plain():
        return value
    if isinstance(value, datetime):
        return _adapt_moment(value, link.vendor)
    return _fields()[column].get_db_prep_save(value, link)


def _adapt_argument(value: Any, link: Any) -> Any:
    """A value of a WHERE clause as the driver wants it."""
    if isinstance(value, datetime):
        return _adapt_moment(value, link.vendor)
    return _adapt("uid", value, link) if isinstance(value, UUID) else value


@lru_cache(maxsize=8)  # a statement names its moment several times
def _adapt_moment(value: datetime, vendor: str) -> Any:
    return _fields()["due_at"].get_db_prep_save(value, connection)


def retry_on_lock(action: Callable[P, T]) -> Callable[P, T]:
    """Repeat a move from its start after a deadlock, a busy SQLite or a dead connection; not inside a transaction."""

    @wraps(action)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        began = time.monotonic()
        for pause in (*PAUSES_S, None):
            try:
                return action(*args, **kwargs)
            except (OperationalError, InterfaceError):
                if pause is None or connection.in_atomic_block or time.monotonic() - began > PATIENCE_S:
                    raise
                if not connection.is_usable():
                    connection.close()
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - not a secret
        raise AssertionError("unreachable")

    return repeated


def on_commit(action: Callable[[], Any]) -> None:
    """Run ``action`` after the commit. An error in it is logged and does not reach the writer."""
    transaction.on_commit(action, robust=True)


@cache
def _fields() -> dict[str, Any]:
    return {field.column: field for field in Job._meta.concrete_fields}


@cache
def _plain() -> set[str]:
    """Columns of text and numbers, which every driver takes as they are."""
    return {name for name, field in _fields().items() if isinstance(field, CharField | TextField | IntegerField)}


@cache
def _returning() -> str:
    table = Job._meta.db_table
    user = get_user_model()._meta
    name = user.get_field(get_user_model().USERNAME_FIELD).column
    owner = f"(SELECT {name} FROM {user.db_table} AS u WHERE u.{user.pk.column} = {table}.owner_id)"  # noqa: S608
    return ", ".join([*_fields(), owner])


@cache
def _converters(vendor: str) -> list[tuple[int, list[Callable[..., Any]], Any, bool]]:
    """The converters from driver values to Python values, by position, from Django's own SQL compiler.

    The last is whether the value is immutable.
    """
    columns = [field.get_col(Job._meta.db_table) for field in Job._meta.concrete_fields]
    found = Job.objects.all().query.get_compiler(connection=connection).get_converters(columns)
    return [
        (i, converters, column, not isinstance(column.target, JSONField)) for i, (converters, column) in found.items()
    ]


@cache
def _names() -> list[str]:
    return [field.attname for field in Job._meta.concrete_fields]


def _build(row: tuple[Any, ...], link: Any, known: Job | None = None) -> Job:
    """The job of a row. ``known`` as for ``move``."""
    values = list(row)
    owner = values.pop()
    was, had = known.__dict__.get("_read") or ((), ()) if known else ((), ())
    for i, converters, column, constant in _converters(link.vendor):
        if values[i] is None:
            continue
        if was and constant and values[i] == was[i]:
            values[i] = had[i]
            continue
        for convert in converters:
            values[i] = convert(values[i], column, link)
    job = job_of(values, link.alias)
    job._owner_name, job._read = owner, (row, values)
    return job


def job_of(values: list[Any], database: str | None = None) -> Job:
    """A job with these values of all columns, in their order. ``database``: where it is stored, if it is.

    As ``Job(*values)`` and ``Job.from_db`` make it, without what those do for fields that are deferred or related.
    """
    job = Job.__new__(Job)
    job._state = ModelState()
    job._state.adding, job._state.db = database is None, database
    job.__dict__.update(zip(_names(), values, strict=True))
    return job

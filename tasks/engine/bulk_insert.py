"""Inserts many jobs by one statement, as each database takes it fastest.

``bulk_create`` was two thirds of what submit_many cost. Only the columns that the caller names are sent; the others
have their defaults in the statement.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain, compress
from operator import attrgetter, ne
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import DateTimeField, Field, JSONField, UUIDField

from tasks.engine.analyze import analyze_if_grown
from tasks.engine.models import Job
from tasks.engine.transition import job_of, on_commit

KEYS = "RETURNING uid, id"
SIZES = (64, 16, 4, 1)  # rows of one statement of SQLite


def make(**columns: Any) -> Job:
    """A job with these columns, among them ``uid``, by the names of attributes. ``Job(**columns)`` looks for the
    defaults of all others, which takes three times as long."""
    values, places = _blank()
    values = values.copy()
    for name, value in columns.items():
        values[places[name]] = value
    return job_of(values)


@cache
def _blank() -> tuple[list[Any], dict[str, int]]:
    fields = Job._meta.concrete_fields
    nothing = {"id", "uid", "owner_id", "cancel_requested_by_id"}  # its default is another one for each
    values = [None if field.attname in nothing else field.get_default() for field in fields]
    return values, {field.attname: place for place, field in enumerate(fields)}


def insert_new(jobs: Sequence[Job]) -> None:
    """Insert jobs that are all new, and give them their keys. IntegrityError if one is there. Call it in a transaction.

    Only columns in which any of them differs from the default are sent.
    """
    values, places = _blank()
    of_a_job = attrgetter(*places)
    differs = {name for job in jobs for name in compress(places, map(ne, of_a_job(job), values))}
    keys = insert(jobs, tuple(name for name in places if name in differs))
    for job in jobs:
        job.pk, job._state.adding, job._state.db = keys[job.uid], False, connection.alias


def insert(jobs: Sequence[Job], sent: tuple[str, ...], conflict: str = "") -> dict[UUID, int]:
    """The key of each row that was written, by its id. Call it in a transaction.

    ``sent``: names of attributes; ``conflict``: what is done about a row that is there, in SQL.
    """
    keys = _insert(jobs, sent, conflict)
    on_commit(lambda: analyze_if_grown(max(keys.values(), default=0)))
    return keys


def _insert(jobs: Sequence[Job], sent: tuple[str, ...], conflict: str) -> dict[UUID, int]:
    link = connections[DEFAULT_DB_ALIAS]  # ``connection`` looks it up at each use
    rows = _rows(jobs, sent, link)
    with link.cursor() as cursor:
        if link.vendor == "postgresql":  # one text, which its own reader takes apart
            names = [field.column for field in _fields(sent)]
            named = [dict(zip(names, row, strict=True)) for row in rows]
            cursor.execute(_postgres(sent, conflict), [json.dumps(named)])
            return dict(cursor.fetchall())
        found: list[tuple[str, int]] = []
        start = 0
        while start < len(rows):  # statements of few sizes, so that each is prepared once
            size = next(size for size in SIZES if size <= len(rows) - start)
            cursor.execute(_sqlite(size, sent, conflict), list(chain.from_iterable(rows[start : start + size])))
            found += cursor.fetchall()
            start += size
        return {UUID(uid): key for uid, key in found}


def _rows(jobs: Iterable[Job], sent: tuple[str, ...], link: Any) -> list[list[Any]]:
    """The columns of each job as this database takes them; most values are taken as they are."""
    values_of, writers = attrgetter(*sent), _writers(sent, link)
    rows = []
    for job in jobs:
        row = list(values_of(job))
        for place, write in writers:
            if row[place] is not None:
                row[place] = write(row[place])
        rows.append(row)
    return rows


def _writers(sent: tuple[str, ...], link: Any) -> list[tuple[int, Callable[[Any], Any]]]:
    """How the values of some columns are written, by their places. Django's adapters take as long as the database."""
    is_postgres = link.vendor == "postgresql"
    found: list[tuple[int, Callable[[Any], Any]]] = []
    for place, field in enumerate(_fields(sent)):
        if isinstance(field, JSONField):
            found.append((place, partial(_plain if is_postgres else _plain_text, link, field)))
        elif isinstance(field, UUIDField):
            found.append((place, str if is_postgres else _hex))
        elif isinstance(field, DateTimeField):
            found.append((place, datetime.isoformat if is_postgres else _moment))
    return found


def _plain(link: Any, field: Field, value: Any) -> Any:
    return {} if value == {} and type(value) is dict else field.plain(value, link)


def _plain_text(link: Any, field: Field, value: Any) -> str:
    return "{}" if value == {} and type(value) is dict else json.dumps(field.plain(value, link))


def _hex(value: Any) -> str:
    return value.hex if type(value) is UUID else value


def _moment(value: datetime) -> str:
    value = value if value.tzinfo is UTC else value.astimezone(UTC)
    return value.isoformat(" ").removesuffix("+00:00")


@cache
def _fields(sent: tuple[str, ...]) -> tuple[Field, ...]:
    return tuple(Job._meta.get_field(name) for name in sent)


@cache
def _postgres(sent: tuple[str, ...], conflict: str) -> str:
    names = ", ".join(field.column for field in _fields(sent))
    types = ", ".join(f"{field.column} {field.db_type(connection)}" for field in _fields(sent))
    others, constants = _others(sent)
    given = f"jsonb_to_recordset(%s::jsonb) AS given({types})"
    return f"INSERT INTO tasks_job ({names}{others}) SELECT {names}{constants} FROM {given} {conflict} {KEYS}"  # noqa: S608 - names of columns, and our constants


@cache
def _sqlite(rows: int, sent: tuple[str, ...], conflict: str) -> str:
    names = ", ".join(field.column for field in _fields(sent))
    others, constants = _others(sent)
    one = f"({', '.join(['%s'] * len(sent))}{constants})"
    return f"INSERT INTO tasks_job ({names}{others}) VALUES {', '.join([one] * rows)} {conflict} {KEYS}"  # noqa: S608 - the same


def _others(sent: tuple[str, ...]) -> tuple[str, str]:
    """The columns that are not sent, and what they have in a new row."""
    values, places = _blank()
    left = [field for field in Job._meta.concrete_fields if not field.primary_key and field.attname not in sent]
    constants = [_constant(values[places[field.attname]]) for field in left]
    return "".join(f", {field.column}" for field in left), "".join(f", {value}" for value in constants)


def _constant(value: Any) -> str:
    if isinstance(value, int):
        return str(int(value))
    return {None: "NULL", "": "''"}[value] if isinstance(value, str | None) else "'{}'"  # parameters: none

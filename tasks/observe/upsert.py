"""One statement that inserts or updates many rows of watched tasks, as each database takes it fastest.

Only the columns that the observer knows are sent; the others have their defaults in the statement. A row is written
only over an older version of the same task of the same application.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import JSONField

from tasks.engine.models import Job

SENT = (
    "uid", "app", "task_id", "state", "version", "attempt", "max_attempts", "kind", "queue", "priority", "params",
    "secrets", "title", "result", "error", "traceback", "error_key", "due_at", "expires_at", "queued_at", "created_at",
    "started_at", "finished_at", "worker", "pid", "parent", "root", "doubt_at", "basis", "headers", "copy_of",
)  # fmt: skip
KEPT = ("uid", "app", "created_at", "copy_of")  # that a later version of a row leaves as they are
SIZES = (64, 16, 4, 1)  # rows of one statement of SQLite
_values = attrgetter(*SENT)


def make(**columns: Any) -> Job:
    """A job with these columns. ``Job(**columns)`` looks for the defaults of all others, which takes three times as
    long."""
    values, places = _blank()
    values = values.copy()
    for name, value in columns.items():
        values[places[name]] = value
    job = Job(*values)
    job._owner_name = None  # nobody owns it, so nothing is read for its summary
    return job


@cache
def _blank() -> tuple[list[Any], dict[str, int]]:
    fields = Job._meta.concrete_fields
    values = [None if field.is_relation or field.primary_key else field.get_default() for field in fields]
    return values, {field.attname: place for place, field in enumerate(fields)}


def upsert(jobs: Sequence[Job]) -> dict[UUID, int]:
    """The key of each row that was written, by its id. Call it in a transaction."""
    fields = _json_fields()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # one text, which its own reader takes apart
            rows = [dict(zip(SENT, map(_as_json, fields, _values(job)), strict=True)) for job in jobs]
            cursor.execute(_postgres(), [json.dumps(rows)])
            return dict(cursor.fetchall())
        found: list[tuple[str, int]] = []
        start = 0
        while start < len(jobs):  # statements of few sizes, so that each is prepared once
            size = next(size for size in SIZES if size <= len(jobs) - start)
            values = [each for job in jobs[start : start + size] for each in map(_as_text, fields, _values(job))]
            cursor.execute(_sqlite(size), values)
            found += cursor.fetchall()
            start += size
        return {UUID(uid): key for uid, key in found}


def _as_json(field: Any, value: Any) -> Any:
    if field is not None:
        return None if value is None else field.plain(value, connection)
    if type(value) is UUID:
        return str(value)
    return value.isoformat() if type(value) is datetime else value


def _as_text(field: Any, value: Any) -> Any:
    """As Django's adapters write it, which take as long as the database."""
    if value is None:
        return None
    if field is not None:
        return json.dumps(field.plain(value, connection))
    if type(value) is UUID:
        return value.hex
    return str(value.replace(tzinfo=None)) if type(value) is datetime else value  # all our times are UTC


@cache
def _json_fields() -> tuple[Any, ...]:
    """For each column of SENT its field, if it holds JSON."""
    fields = [Job._meta.get_field(name) for name in SENT]
    return tuple(field if isinstance(field, JSONField) else None for field in fields)


@cache
def _postgres() -> str:
    columns, constants = _others()
    types = ", ".join(f"{name} {Job._meta.get_field(name).db_type(connection)}" for name in SENT)
    return (
        f"INSERT INTO tasks_job ({', '.join([*SENT, *columns])}) "  # noqa: S608 - names of columns, and our constants
        f"SELECT {', '.join([*SENT, *constants])} FROM jsonb_to_recordset(%s::jsonb) AS sent({types}) {_conflict()}"
    )


@cache
def _sqlite(rows: int) -> str:
    columns, constants = _others()
    one = f"({', '.join(['%s'] * len(SENT) + constants)})"
    return (
        f"INSERT INTO tasks_job ({', '.join([*SENT, *columns])}) "  # noqa: S608 - the same
        f"VALUES {', '.join([one] * rows)} {_conflict()}"
    )


def _others() -> tuple[list[str], list[str]]:
    """The columns that are not sent, and what they have in a new row."""
    values, places = _blank()
    found = {
        field.column: values[places[field.attname]]
        for field in Job._meta.concrete_fields
        if field.attname not in SENT and not field.primary_key
    }
    constants = [
        "NULL" if value is None else f"'{value}'" if value == "" else str(int(value)) for value in found.values()
    ]
    return list(found), constants


def _conflict() -> str:
    sets = ", ".join(f"{name} = excluded.{name}" for name in SENT if name not in KEPT)
    return (
        f"ON CONFLICT (uid) DO UPDATE SET {sets} WHERE tasks_job.app = excluded.app"
        " AND excluded.version > tasks_job.version RETURNING uid, id"
    )

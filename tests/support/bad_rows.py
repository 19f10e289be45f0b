"""Rows that nobody here would write: beside a good row of a table, one for each column and each sort of nonsense.

They are put in by raw SQL, so whatever the database takes may stand in a table that others can write to as well.
"""

import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import DatabaseError, connection, models, transaction

FAR = ["0001-01-01 00:00:00+00:00", "9999-12-31 23:59:59.999999+00:00"]
JSONS = ["5", '"text"', "null", "true", "[]", '[1, "x", null, {}]', '{"a": {"b": [1]}}']
JSONS += ['{"a": ' + "9" * 5_000 + "}", "[" * 4_000 + "]" * 4_000]
TEXTS = ["", "no such thing", "a/b?c=d#e%20 f", "\x01\x1b[31m\u202e<b>", "{broken", "://", "9" * 60]
NUMBERS = [-1, 0, 2**15 - 1, 2**31 - 1]
UNTYPED = {  # what only SQLite takes, whose columns have no types
    models.DateTimeField: ["not a date", "2026-13-45 99:99:99", 5],  # the driver takes an empty text for NULL
    models.UUIDField: ["not an id", "", 7],
}


class Bad(NamedTuple):
    column: str
    value: Any
    key: int


def bad_rows(good: models.Model) -> list[Bad]:
    """Put them in; what the database refuses is left out."""
    made = []
    for field, value in nonsense(type(good)):
        if (key := clone(good, field, value)) is not None:
            made.append(Bad(field.column, value, key))
    assert made, "the database refused all of them"
    return made


def nonsense(model: type[models.Model]) -> Iterator[tuple[models.Field, Any]]:
    for field in model._meta.concrete_fields:
        if field.primary_key or field.is_relation:
            continue
        values: list[Any] = [None] if field.null else []
        match field:
            case models.JSONField():
                values += JSONS
            case models.DateTimeField():
                values += FAR
            case models.BooleanField() | models.UUIDField():
                pass
            case models.IntegerField():
                values += NUMBERS
            case models.FloatField():
                values += [-1.0, 1e300]
            case _:  # texts, and fields of others that are stored as such
                values += [text for text in TEXTS if len(text) <= (field.max_length or 200)]
        if connection.vendor == "sqlite":
            values += next((more for kind, more in UNTYPED.items() if isinstance(field, kind)), [])
        yield from ((field, value) for value in values)


def clone(good: models.Model, field: models.Field, value: Any) -> int | None:
    """A copy of a row with another value in one column; its key, or None when the database refuses it."""
    meta, values = good._meta, {field.column: value}
    unique = {name for each in meta.constraints for name in getattr(each, "fields", ())}
    for each in meta.concrete_fields:
        if each.column == field.column or each.primary_key or getattr(good, each.attname) is None:
            continue
        if isinstance(each, models.UUIDField) and (each.unique or each.name in unique):
            made = uuid.uuid4()
            values[each.column] = made.hex if connection.vendor == "sqlite" else made
        elif isinstance(each, models.CharField) and (each.unique or each.name in unique):
            values[each.column] = f"bad {uuid.uuid4().hex[:12]}"
        elif isinstance(each, models.IntegerField) and each.name in unique:
            values[each.column] = uuid.uuid4().int % 10_000 + 1_000
        elif isinstance(each, models.OneToOneField):
            values[each.column] = twin(getattr(good, each.name))
    columns = [each.column for each in meta.concrete_fields if not each.primary_key]
    quoted = [connection.ops.quote_name(column) for column in columns]
    taken = ["%s" if column in values else name for column, name in zip(columns, quoted, strict=True)]
    sql = (
        f"INSERT INTO {meta.db_table} ({', '.join(quoted)}) SELECT {', '.join(taken)} FROM {meta.db_table}"
        f" WHERE id = %s RETURNING id"
    )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, [*(values[column] for column in columns if column in values), good.pk])
            return cursor.fetchone()[0]
    except DatabaseError:
        return None


def twin(row: models.Model) -> int:
    """An equal row for a relation that allows one only."""
    name = next(each for each in row._meta.concrete_fields if isinstance(each, models.CharField) and each.unique)
    key = clone(row, name, f"twin {uuid.uuid4().hex[:12]}")
    assert key is not None
    return key

"""Chords as rows: how many jobs of a group have yet to succeed until a body begins, and which of them has failed.

Each change is one guarded statement, made in the transaction in which a job ends.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, models

from tasks.engine.ordered_json import OrderedJSONField, ReadableJSONField

MOST = 10_000  # jobs that one chord waits for: their ids are one row, and their results one list


class Chord(models.Model):
    """A group of jobs that a body waits for. It goes with the last result, unless the body reads results from here."""

    uid = models.UUIDField(primary_key=True)
    waiting = models.IntegerField()
    children = ReadableJSONField()  # ids of the jobs, in the order of their results
    body = OrderedJSONField()  # a branch of Job.then
    last = models.UUIDField(null=True, db_index=True)  # the job that ends the body, by which callers ask
    broken = models.UUIDField(null=True)  # the newest job whose failure or cancel keeps the body from its beginning
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "tasks"

    def __str__(self) -> str:
        return f"{self.uid}: {self.waiting} to come"


def store(join: Mapping[str, Any], last: str | None) -> None:
    """A canvas that was frozen once and called twice has the same chord twice."""
    check_size(len(join["children"]))
    made = Chord(uid=join["id"], waiting=len(join["children"]), children=join["children"], body=join["body"], last=last)
    Chord.objects.bulk_create([made], ignore_conflicts=True)


def check_size(children: int) -> None:
    if children > MOST:
        raise ValueError(
            f"A chord waits for at most {MOST:,} jobs, and this one has {children:,}: make chords of chords."
        )


def count(uid: str) -> bool:
    """One of the jobs that a chord waits for has succeeded. Returns whether it was the last one."""
    table = Chord._meta.db_table
    sql = f"UPDATE {table} SET waiting = waiting - 1 WHERE uid = %s AND waiting > 0 RETURNING waiting"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [Chord._meta.get_field("uid").get_db_prep_value(UUID(uid), connection)])
        return cursor.fetchone() == (0,)


def break_off(uid: str, job: UUID) -> Chord | None:
    """A job that a chord waits for, or one before it, has failed or was cancelled. Returns the chord, if it waits."""
    Chord.objects.filter(uid=uid, waiting__gt=0).update(broken=job)
    return Chord.objects.filter(uid=uid, waiting__gt=0).first()


def tell_of_steps(branch: Any, job: UUID) -> None:
    """A job has failed before these steps of its chain. Callers who ask by the id of one of them find it by a row that
    waits for that job alone."""
    ids = [step["id"] for step in branch if "id" in step and "kind" in step]
    made = [Chord(uid=uid, waiting=0, children=[], body=[{"id": uid}], last=uid, broken=job) for uid in ids]
    Chord.objects.bulk_create(made, update_conflicts=True, unique_fields=["uid"], update_fields=["broken"])


def counted_by(branch: Any) -> Iterator[str]:
    """The ids of the chords for which the ends of a branch count."""
    for step in branch:
        if "chord" in step:
            yield step["chord"]
        elif "join" in step:
            yield from counted_by(step["join"]["body"])
        else:
            for inner in step.get("group", ()):
                yield from counted_by(inner)


def named_in(steps: Any) -> Iterator[str]:
    """The ids of all chords that something of a plan names."""
    if isinstance(steps, list):
        for each in steps:
            yield from named_in(each)
    elif isinstance(steps, dict):
        if "chord" in steps:
            yield steps["chord"]
        for name in ("group", "join", "body", "then"):
            yield from named_in(steps.get(name))


def first_of(branch: Any) -> list[str]:
    """The ids of the jobs that begin a branch."""
    head = branch[0]
    return [uid for each in head["group"] for uid in first_of(each)] if "group" in head else [head["id"]]

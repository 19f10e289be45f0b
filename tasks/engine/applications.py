"""Whose jobs are meant: our own, those of watched applications by name, or all of them.

A choice is a collection of names. ``own`` stands for our own jobs, ``*`` for everything; an empty one means our own.
"""

from collections.abc import Collection

from django.db.models import QuerySet

from tasks.engine.models import Job

OWN, ALL = "own", "*"


def includes(choice: Collection[str], app: str | None) -> bool:
    """Whether a choice includes this application (None or empty: our own jobs)."""
    return ALL in choice or (app or OWN) in (choice or (OWN,))


def jobs_of(choice: Collection[str]) -> QuerySet[Job]:
    """The jobs that a choice means."""
    if ALL in choice:
        return Job.every.all()
    if not set(choice) - {OWN}:
        return Job.objects.all()
    return Job.every.filter(app__in=sorted("" if name == OWN else name for name in choice))

"""Kinds of another team: ``tests.names.one`` has a function of the same name."""

from tasks.base import job


@job
def names_send(n: int = 1) -> str:
    return f"two {n}"

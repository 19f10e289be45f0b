"""Kinds of one team: ``tests.names.two`` has a function of the same name."""

from tasks.base import job


@job
def names_send(n: int = 1) -> str:
    return f"one {n}"


@job
def names_count(n: int = 1) -> int:
    return n

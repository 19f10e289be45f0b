"""Reads the database for all sockets of the process.

A reconcile reads the board, marks of topics, open alerts and withdrawn visitors. After a move it reads counts only.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from live.auth import Visitor
from tasks.alerts import evaluate
from tasks.observe import watched
from tasks.queries import board, gauges
from tasks.web import features

Withdrawn = dict[Visitor, tuple[int, str]]  # with the close code and the reason


class Reading(NamedTuple):
    """``picture``: our own jobs; ``everything``: those and the tasks of watched applications."""

    picture: dict[str, Any]
    everything: dict[str, Any]
    marks: dict[str, Any]
    alerts: list[dict[str, Any]]
    watched: list[dict[str, Any]]
    missing: set[str]
    withdrawn: Withdrawn


def read_all(
    watched: list[str], topics: set[str], visitors: set[Visitor], judge: Callable[[set[Visitor]], Withdrawn]
) -> Reading:
    """``watched``: job ids; ``topics``: watched topics; ``judge``: the visitors whose login is checked."""
    # Marks first: what changes while the rows are read has another mark at the next reading.
    marks = read_marks(topics)
    found = board.summaries(watched) if watched else []
    missing = set(watched) - {job["id"] for job in found}
    standing = [alert.to_dict() for alert in evaluate.open_alerts()]
    own = board.board()
    everything = _with_apps(own, board.board)
    return Reading(own, everything, marks, standing, found, missing, judge(visitors))


def _with_apps(own: dict[str, Any], read: Callable[[bool], dict[str, Any]]) -> dict[str, Any]:
    """What ``read(True)`` says of all applications; that of our own jobs, where nothing is watched."""
    found = read(True) if board.watched() else own
    return found | {"stats": watched.with_apps(found["stats"])}


def read_marks(topics: Iterable[str]) -> dict[str, Any]:
    """Read the mark of each topic. A new mark means that the rows behind the topic may have changed."""
    known = features.topics()
    return {topic: known[topic][1]() for topic in topics if topic in known}


def recount(asked: set[str]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Read the counts of the board, those of all applications, and these gauges."""
    own = board.counts()
    return own, _with_apps(own, board.counts), gauges.read(asked, own)

"""Gaps of watched applications in the time that a search spans: tasks of then may be missing in what it found."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tasks.engine import registry
from tasks.engine.applications import OWN
from tasks.engine.models import Job
from tasks.observe import watched
from tasks.observe.models import EndedBar
from tasks.search.language import EVERY_APP, Query


def gaps(query: Query, jobs: Sequence[Job], *, newest: bool = True, oldest: bool = True) -> list[dict[str, Any]]:
    """The gaps of the applications that a search names, as ``watched.gaps_in`` has them.

    ``jobs``: the page that was found, newest first. ``newest`` and ``oldest``: nothing that matches is newer, or older,
    so the page reaches from the search's own bounds.
    """
    names = apps_of(query)
    if names is None or _is_only_of_ours(query):
        return []
    begin, until = bounds(query)
    if jobs and not oldest:
        begin = jobs[-1].created_at
    if jobs and not newest:
        until = jobs[0].created_at
    return watched.gaps_in(begin, until, names)


def apps_of(query: Query) -> list[str] | None:
    """The watched applications that a search names: an empty list means all of them, None our own jobs only."""
    if not query.app:
        return None
    named = [apps for apps in query.app if EVERY_APP not in apps]
    names = frozenset.intersection(*named) if named else frozenset({EVERY_APP})
    found = sorted(names - {OWN, EVERY_APP})
    return found if found or EVERY_APP in names else None


def _is_only_of_ours(query: Query) -> bool:
    """Whether no watched task can be what is looked for, so that none is missing: it has no owner, schedule or release,
    its queue has the name of its application, and its kind is none that only we have."""
    if query.owner or query.release or query.schedule or query.bulk or query.batch:
        return True
    if any(all(":" not in name for name in names) for names in query.queue):
        return True
    return any(
        all(map(registry.knows, names)) and not EndedBar.objects.filter(kind__in=names).exists() for names in query.kind
    )


def means_own(query: Query) -> bool:
    """Whether a search means our own jobs, alone or with others."""
    return all({OWN, EVERY_APP} & apps for apps in query.app)


def bounds(query: Query) -> tuple[datetime | None, datetime | None]:
    """From when and until when a search looks, as far as it says so."""
    ended = query.ended or (None, None)
    begins = (query.since, query.succeeded, query.failed, query.cancelled, ended[0])
    ends = (query.until, ended[1])
    return max(filter(None, begins), default=None), min(filter(None, ends), default=None)

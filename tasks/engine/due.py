"""When something is due: only moments that Python and every database can hold."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.engine.celery_app import app

LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def after(seconds: Any) -> datetime:
    """Now and so many seconds. TypeError unless that is a number; ValueError when the moment cannot be stored."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"a countdown is a number of seconds, and not {type(seconds).__name__}")
    try:
        return _stored(datetime.now(UTC) + timedelta(seconds=seconds))
    except (OverflowError, ValueError):
        raise ValueError(f"a countdown ends before the year {LATEST.year}, and not after {seconds:g} s") from None


def at(moment: Any) -> datetime:
    """The moment in UTC. A naive one is in CELERY_TIMEZONE, as in Celery, and a text is one of ISO 8601. TypeError and
    ValueError as above."""
    if isinstance(moment, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(moment)
    if not isinstance(moment, datetime):
        raise TypeError(f"an eta is a datetime, and not {type(moment).__name__}")
    try:
        return _stored(moment.replace(tzinfo=app.timezone) if moment.tzinfo is None else moment.astimezone(UTC))
    except (OverflowError, ValueError):
        raise ValueError(f"an eta is before the year {LATEST.year}, and not {moment}") from None


def in_seconds(when: Any) -> float:
    """Seconds from now until ``when``, a moment, a countdown or None for at once."""
    if isinstance(when, datetime):
        return (at(when) - datetime.now(UTC)).total_seconds()
    after(when or 0)
    return float(when or 0)


def _stored(moment: datetime) -> datetime:
    if moment >= LATEST:
        raise ValueError
    return moment

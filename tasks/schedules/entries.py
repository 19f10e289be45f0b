"""Schedules that others made: entries of ``beat_schedule`` in code, rows made in Django's admin.

What they ask for beside a kind and its parameters is honoured, or is one sentence: in the log of the beat, in the
checks at the start, and on the page of schedules. ``periodic`` is a row of django-celery-beat.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from tasks.engine import registry
from tasks.engine.celery_app import app

KNOWN = {"queue", "priority", "headers", "expires", "expire_seconds"}


class WrongEntry(ValueError):
    """Something of an entry cannot be honoured; the text is one sentence."""


def fields_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of ``beat_schedule`` as django-celery-beat takes it. Raises WrongEntry."""
    options = {name: value for name, value in dict(entry.get("options") or {}).items() if value is not None}
    if unknown := sorted(options.keys() - KNOWN):
        raise WrongEntry(f"Its option {unknown[0]!r} cannot be honoured. There are: {', '.join(sorted(KNOWN))}.")
    found = {**entry, "options": options}
    match options.pop("expires", None):
        case None:
            pass
        case datetime() as moment:
            found["expires"] = moment
        case timedelta() as after:
            options["expire_seconds"] = math.ceil(after.total_seconds())
        case int() | float() as seconds:
            options["expire_seconds"] = math.ceil(seconds)
        case other:
            raise WrongEntry(f"Its option 'expires' is a number of seconds or a moment, and not {other!r}.")
    return found


def order_of(periodic: Any) -> dict[str, Any]:
    """What a row asks for beside kind and parameters, as ``lifecycle.submit`` takes it. Raises WrongEntry."""
    if periodic.exchange or periodic.routing_key:
        raise WrongEntry("It names an exchange or a routing key. A job waits in a queue: name that one.")
    if periodic.priority is not None and periodic.priority not in range(10):
        raise WrongEntry("Its priority is a whole number from 0 to 9, and 9 comes first.")
    try:
        headers = json.loads(periodic.headers or "{}")
    except ValueError:
        headers = None
    if not isinstance(headers, dict):
        raise WrongEntry("Its headers are no JSON object.")
    seconds = periodic.expire_seconds
    expires = periodic.expires if seconds is None else timezone.now() + timedelta(seconds=seconds)
    order = {"queue": periodic.queue, "priority": periodic.priority, "headers": headers, "expires_at": expires}
    return {name: value for name, value in order.items() if value not in (None, "", {})}


def params_of(periodic: Any) -> dict[str, Any]:
    """The parameters by name, with those that were given by position. ValueError for what is no call of its kind."""
    kwargs, args = json.loads(periodic.kwargs or "{}"), json.loads(periodic.args or "[]")
    if not isinstance(kwargs, dict):
        raise ValueError("they are no JSON object")
    if not isinstance(args, list):
        raise ValueError("its positional ones are no JSON list")
    kind = registry.find(periodic.task)
    if not args or kind is None:
        return kwargs
    try:
        return kind.signature.bind(args, kwargs)
    except TypeError as wrong:
        raise ValueError(str(wrong)) from None


def why_not(task: str) -> str:
    """Why no schedule can start a task, as the end of a sentence; empty for a kind."""
    if registry.knows(task):
        return ""
    if task in app.tasks:
        return f"{task!r} is a plain Celery task and no job: give it @job, or name it in SIGNALBOX_ADOPT"
    return f"there is no kind of job named {task!r}"


def wrong_entries() -> Iterator[str]:
    """A sentence for each entry in code that cannot be kept."""
    for name, entry in app.conf.beat_schedule.items():
        try:
            fields_of(entry)
        except WrongEntry as wrong:
            yield f"The entry {name!r} of beat_schedule is not kept. {wrong}"
            continue
        if why := why_not(str(entry.get("task", ""))):
            yield f"The entry {name!r} of beat_schedule starts nothing: {why}."

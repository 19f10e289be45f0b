"""The options of a call: what a job can honour of them, in the form in which a row or a step of a chain keeps it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from tasks.engine import due, registry, routing, storable
from tasks.engine.options import check_serializer, describe_option, misspelt
from tasks.engine.titles import LONGEST
from tasks.params.json_types import carried
from tasks.params.signature import size

MOST_HEADERS = 8 * 1024  # bytes of JSON
LIMITS = "signalbox_limits"  # in a job's headers: hard and soft time limit of the call, in seconds
GROUP = "signalbox_group"  # likewise: the id of the group that the job was called in, and its place in it
PROPERTIES = "signalbox_properties"  # likewise: unknown options, which Celery makes properties of the message
ORIGIN = "signalbox_origin"  # likewise: the process that made the call
STAMPS = "signalbox_stamps"  # likewise: what Celery's ``stamp`` has put on the call
SHADOW = "signalbox_shadow"  # likewise: the call's own name for people, which is the job's title
RETRIES = "signalbox_retries"  # there until the row is made: how often the call was tried before
OF_THE_CALL = (LIMITS, GROUP, PROPERTIES, ORIGIN, STAMPS, SHADOW, RETRIES)  # not inherited in a chain
MOST_RETRIES = 1_000_000
POSITIONAL = ("producer", "link", "link_error", "shadow")  # after ``task_id``, in the order of Celery
CALLERS = {
    "priority", "countdown", "eta", "expires", "headers", "queue", "time_limit", "soft_time_limit", "group_id",
    "group_index", "task_id", "link", "link_error", "chain", "idempotency_key", "owner", "args", "kwargs",
    "shadow", "retries", "stamped_headers",
}  # fmt: skip
# Options that Celery's own callers (delay, canvas, beat) pass along and that mean nothing here.
HARMLESS = {
    "add_to_parent", "chord", "chord_size", "ignore_result", "producer",
    "confirm_timeout", "delivery_mode", "immediate", "mandatory", "timeout",
    "retry", "retry_policy", "root_id", "parent_id", "serializer", "compression", "connection", "publisher",
    "router", "replaced_task_nesting",
    "MessageGroupId", "MessageDeduplicationId",  # for SQS, which is not one of our brokers
}  # fmt: skip


def check_call(task: str, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call. TypeError as in Celery: a text would be taken for a list of letters."""
    if args and not isinstance(args, list | tuple):
        raise TypeError(f"{task}: the arguments of a call are a list or a tuple, and not {type(args).__name__}")
    if kwargs and not isinstance(kwargs, Mapping):
        raise TypeError(f"{task}: the keyword arguments of a call are a dict, and not {type(kwargs).__name__}")
    return tuple(args or ()), dict(kwargs or {})


def by_name(given: Sequence[Any], options: dict[str, Any]) -> dict[str, Any]:
    """Options of a call with those that Celery also takes by position, after the task's id."""
    if len(given) > len(POSITIONAL):
        raise TypeError(f"apply_async() takes {3 + len(POSITIONAL)} arguments by position, and got {3 + len(given)}")
    named = dict(zip(POSITIONAL, given, strict=False))
    if twice := named.keys() & options.keys():
        raise TypeError(f"apply_async() got multiple values for argument {min(twice)!r}")
    return {**options, **{name: value for name, value in named.items() if value is not None}}


def split_options(kind: registry.Kind, options: dict[str, Any]) -> dict[str, Any]:
    """Take what a job can honour out of a call's options. TypeError names an unsupported one.

    Returns ``priority``, ``queue``, ``due_at``, ``countdown`` (seconds), ``expires_at``, ``expires`` (seconds) and
    ``headers``.
    """
    found = {name: options.pop(name, None) for name in ("priority", "countdown", "eta", "expires", "headers")}
    eta = found.pop("eta")
    try:
        check_serializer(options.get("serializer"))
        found["due_at"] = eta if eta is None else due.at(eta)
        due.after(found["countdown"] or 0)
        found["queue"] = routing.queue_name(options.pop("queue", None))
        found |= split_expires(kind.expires if found["expires"] is None else found["expires"])
        found["headers"] = check_headers(found["headers"])
        if any(limits := [check_limit(options.pop(name, None)) for name in ("time_limit", "soft_time_limit")]):
            found["headers"] = {**(found["headers"] or {}), LIMITS: limits}
        group = [options.pop(name, None) for name in ("group_id", "group_index")]
        said = {GROUP: group if group[0] else None, SHADOW: _shadow(options), RETRIES: _retries(options)}
        said[STAMPS] = check_headers(
            {name: options.pop(name, None) for name in options.pop("stamped_headers", None) or ()}
        )
        if said := {name: value for name, value in said.items() if value}:
            found["headers"] = {**(found["headers"] or {}), **said}
    except (TypeError, ValueError) as wrong:
        raise type(wrong)(f"{kind.name}: {wrong}.") from None
    if found["priority"] is not None and found["priority"] not in range(10):
        raise ValueError(f"{kind.name}: a priority is a whole number from 0 to 9.")
    if properties := _properties(kind, options):
        found["headers"] = {**(found["headers"] or {}), PROPERTIES: properties}
    return found


def _shadow(options: dict[str, Any]) -> str:
    return storable.text(str(options.pop("shadow", None) or ""), LONGEST)


def _retries(options: dict[str, Any]) -> int:
    retries = options.pop("retries", None) or 0
    if not isinstance(retries, int) or retries not in range(MOST_RETRIES + 1):
        raise TypeError(f"retries is a whole number of tries before this one, and not {retries!r}")
    return retries


def _properties(kind: registry.Kind, options: dict[str, Any]) -> dict[str, Any] | None:
    """The options that are left. Celery turns options that it does not know into properties of the message."""
    left = {name: value for name, value in options.items() if value not in (None, [], ()) and name not in HARMLESS}
    for name in left:
        if instead := describe_option(name):
            raise TypeError(f"{kind.name}: the option {name!r} cannot be honoured for a job{instead}.")
        if meant := misspelt(name, CALLERS | HARMLESS):
            raise TypeError(f"{kind.name}: a call has no option {name!r}; if {meant} is not meant, take another name.")
    try:
        return check_headers(left)
    except (TypeError, ValueError):
        names = ", ".join(map(repr, left))
        most = f"at most {MOST_HEADERS // 1024} KiB of JSON"
        raise TypeError(f"{kind.name}: a job keeps {most} of options that Celery does not know: {names}.") from None


def split_expires(expires: Any) -> dict[str, Any]:
    """Celery's ``expires``: seconds from the call on, or a moment."""
    if expires is None or (isinstance(expires, int | float) and not isinstance(expires, bool)):
        due.after(expires or 0)
        return {"expires": expires, "expires_at": None}
    return {"expires": None, "expires_at": due.at(expires)}


def expiry(asked: Mapping[str, Any]) -> datetime | None:
    """The moment at which a job that is queued now expires; None: never."""
    seconds = asked.get("expires")
    return asked.get("expires_at") if seconds is None else due.after(seconds)


def check_limit(seconds: Any) -> float | None:
    """A time limit of a call. TypeError for what is no number of seconds."""
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0):
        raise TypeError(f"a time limit is a number of seconds, and not {seconds!r}")
    return seconds


def limits_of(headers: Mapping[str, Any] | None) -> list[float | None]:
    """Hard and soft time limit of the call of a job with these headers; None: as its kind says."""
    return list((headers or {}).get(LIMITS) or [None, None])


def group_of(headers: Mapping[str, Any] | None) -> list[Any]:
    """Id of the group and place in it of a job with these headers; None: it was called alone."""
    return list((headers or {}).get(GROUP) or [None, None])


def check_headers(headers: Any) -> dict[str, Any] | None:
    """Headers of a message as a row keeps them. TypeError or ValueError for what it cannot keep."""
    if not headers:
        return None
    try:
        kept = {str(name): carried(value) for name, value in dict(headers).items()}
    except (TypeError, ValueError):
        raise TypeError("headers are names with values that JSON can hold") from None
    if (given := size(kept)) > MOST_HEADERS:
        raise ValueError(f"headers take at most {MOST_HEADERS:,} bytes, and these are {given:,}")
    return kept


def parse_task_id(kind: str, task_id: str | UUID | None) -> UUID | None:
    """Return the job id that canvas or a caller chose, or None. ValueError if it is no UUID."""
    try:
        return UUID(str(task_id)) if task_id else None
    except ValueError:
        raise ValueError(f"{kind}: the id of a job is a UUID, and task_id is none.") from None

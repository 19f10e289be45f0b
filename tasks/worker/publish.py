"""Celery's signals around a publication, sent once for a call from code: before and after its row is inserted.

What a handler adds to the message's headers is kept in the row, reaches ``task_prerun`` and ``self.request``, and is
inherited by the steps of a chain. What it adds to the keyword arguments is kept beside them until ``task_prerun`` has
taken it out.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from celery import signals

from tasks.engine import broker
from tasks.engine.call_options import OF_THE_CALL, PROPERTIES
from tasks.engine.report import OF_THE_ATTEMPT
from tasks.params.typed import restored

MOST = 8 * 1024  # bytes of JSON that a job keeps as headers
KWARGS = "signalbox_kwargs"  # in a job's headers: keyword arguments that its function does not know


class Published(NamedTuple):
    """A call after ``before_task_publish``: its arguments, and the headers that its row keeps."""

    args: Any
    kwargs: dict[str, Any]
    headers: dict[str, Any] | None
    sent: dict[str, Any]


def before(
    task: Any, uid: str, args: Any, kwargs: dict[str, Any], own: Mapping[str, Any] | None, queue: str | None
) -> Published:
    """Send ``before_task_publish`` for a call. TypeError or ValueError for what no job can keep or honour."""
    own = dict(own or {})
    if not signals.before_task_publish.receivers:
        return Published(args, kwargs, _kept(task, own), {})
    message = task.app.amqp.as_task_v2(uid, task.name, args, kwargs)
    headers, plain = {**message.headers, **own}, dict(message.headers)
    where = broker.broker_name(queue or task.kind.queue)
    sent = {"body": message.body, "headers": headers, "exchange": where, "routing_key": where}
    properties = {**message.properties, **own.get(PROPERTIES, {})}
    more = {"declare": [], "properties": properties, "retry_policy": {}}
    signals.before_task_publish.send(sender=task.name, **sent, **more)
    if changed := [name for name, value in plain.items() if headers.get(name) != value]:
        raise TypeError(f"{task.name}: before_task_publish cannot change {changed[0]!r} of a job; give it to the call.")
    args, kwargs, _ = message.body
    kept = {name: value for name, value in headers.items() if name not in plain}
    known = task.kind.signature
    if known.extra is None:
        names = {field.name for field in known.fields}
        if more := {name: kwargs.pop(name) for name in [*kwargs] if name not in names}:
            kept[KWARGS] = more
    return Published(args, kwargs, _kept(task, kept), sent)


def after(task: Any, published: Published) -> None:
    if published.sent:
        signals.after_task_publish.send(sender=task.name, **published.sent)


def own_headers(headers: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a row's headers: those of the message, and the keyword arguments that a handler had added."""
    own = {
        name: restored(each)
        for name, each in (headers or {}).items()
        if name not in (*OF_THE_ATTEMPT, KWARGS, *OF_THE_CALL)
    }
    return own, dict((headers or {}).get(KWARGS) or {})


def _kept(task: Any, headers: dict[str, Any]) -> dict[str, Any] | None:
    try:
        size = len(json.dumps(headers, allow_nan=False).encode())
    except (TypeError, ValueError) as wrong:
        raise TypeError(f"{task.name}: the headers of a job are JSON: {wrong}.") from None
    if size > MOST:
        raise ValueError(f"{task.name}: a job keeps {MOST // 1024} KiB of headers, and these are {size:,} bytes.")
    return headers or None

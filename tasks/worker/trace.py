"""Claim, then trace: a worker's child claims a job first, then runs Celery's own tracer of its task once.

``trace`` is one round: it takes a claimed job and returns when its end is recorded and its handlers have run. A message
that gets no job fires no signal and leaves no success. tasks.worker.slices makes any number of rounds for one message.
"""

import logging
import os
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from billiard.einfo import ExceptionInfo
from celery import signals, states
from celery.app.trace import TraceInfo, build_tracer, trace_ok_t
from celery.exceptions import Ignore, Reject
from celery.utils.saferepr import saferepr
from django.db import close_old_connections, connection

from tasks.engine import call_options, lifecycle
from tasks.engine.models import Job, instant
from tasks.params.typed import restored
from tasks.worker import chain_of, connections, current, deadlines, publish, pulse
from tasks.worker.attempt import HELD, Held
from tasks.worker.transport import OURS

log = logging.getLogger(__name__)
T = TypeVar("T")


def claim(kind: str, uid: str, worker: str) -> Job | None:
    """Claim the job that a message names. None: somebody else has it, it may not start, or the database is away."""
    try:
        found = UUID(uid)
    except ValueError:  # a foreign message
        return None
    return on_clean_connection(lambda: lifecycle.claim(found, worker, os.getpid(), kind))


def on_clean_connection(action: Callable[[], T], just_used: bool = False) -> T | None:
    """What ``action`` returns, on a connection without what the job before it left; None if the database is away.

    ``just_used``: the end of a job was written a moment ago, so the connection is not asked whether it is alive.
    """
    try:
        if pulse.current():
            connections.clean()  # what handlers and receivers of signals left
        if not just_used:
            close_old_connections()
        return action()
    except Exception as error:  # the dispatcher will send another message
        log.warning("A job could not be claimed: %s", error)
        connection.close()
        return None


def trace(task: Any, job: Job, request: dict[str, Any], foreground: bool = False) -> trace_ok_t:
    """Run a claimed job by Celery's tracer of its task. ``request`` is what Celery knows of the call, such as hostname.

    ``foreground``: in a terminal, where Ctrl-C ends the job and not its worker. Whatever stops the tracer on its way,
    the job's end is recorded.
    """
    with current.app_of(task):
        return _trace(task, job, request, foreground)


def _trace(task: Any, job: Job, request: dict[str, Any], foreground: bool) -> trace_ok_t:
    held = Held(task, job, foreground)
    tracer = task.tracer or build_tracer(task.name, task, app=task.app, hostname=request.get("hostname"))
    try:
        own, more = publish.own_headers(job.headers)
        traced = tracer(str(job.uid), list(held.args), {**held.kwargs, **more}, context(held, own, request))
    except BaseException as error:
        held.end_unless_ended(error)
        raise
    error = getattr(traced.info, "retval", None)
    held.end_unless_ended(error)
    if isinstance(error, Reject):  # of which a worker's parent would tell without the call
        about = {"task_id": str(job.uid), "args": list(held.args), "kwargs": dict(held.kwargs)}
        signals.task_failure.send(task, exception=error, traceback=error.__traceback__, einfo=traced.retval, **about)
        return nothing()
    return traced


def context(held: Held, own: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """What ``self.request`` of the task says: Celery's names, filled from the job's row."""
    job, uid = held.job, str(held.job.uid)
    headers = {name: value for name, value in request.items() if name.startswith(OURS)} | own
    group, index = call_options.group_of(job.headers)
    soft, hard = deadlines.limits(job, held.task.kind)
    kept = job.headers or {}
    properties = {**(request.get("properties") or {}), "correlation_id": uid, **kept.get(call_options.PROPERTIES, {})}
    return {
        **request,
        **headers,
        **chain_of.offered(job.then),
        "id": uid,
        "task": held.task.name,
        "properties": properties,
        "correlation_id": properties["correlation_id"],
        "reply_to": properties.get("reply_to"),
        "origin": kept.get(call_options.ORIGIN),
        "root_id": str(job.root or job.uid),
        "parent_id": job.parent and str(job.parent),
        "group": group,
        "group_index": index,
        "retries": job.failures,
        "delivery_info": {**(request.get("delivery_info") or {}), "routing_key": job.queue, "priority": job.priority},
        "is_eager": False,
        "headers": headers,
        "expires": instant(job.expires_at),
        "timelimit": [hard or None, soft or None],
        "argsrepr": saferepr(tuple(held.args)) if held.args else "()",
        "kwargsrepr": saferepr(held.kwargs) if held.kwargs else "{}",
        "shadow": kept.get(call_options.SHADOW),
        "stamps": (stamps := restored(kept.get(call_options.STAMPS) or {})),
        "stamped_headers": list(stamps) or None,
        HELD: held,
    }


def nothing() -> trace_ok_t:
    """The answer for a message that got no job: Celery acknowledges it and counts no success."""
    try:
        raise Ignore
    except Ignore as ignored:
        return trace_ok_t(ExceptionInfo(internal=True), TraceInfo(states.IGNORED, ignored), 0.0, None)

"""Turns a row back into evidence, for an observer that has just started."""

import time
from contextlib import suppress
from typing import Any

from tasks.engine import sealing
from tasks.engine.models import Job
from tasks.observe import counting
from tasks.observe.fold import FINAL, OPEN, Mark, Task, Waiting, add
from tasks.observe.rows import Entry, uid_of


def entry_of(app: str, job: Job) -> Entry:
    """A task as its row has it: what the row says is known already."""
    task = Task(job.task_id, name="" if job.kind.startswith("(") else job.kind)
    facts = job.headers if isinstance(job.headers, dict) else {}
    queue = job.queue.partition(":")[2]
    task.queue, task.served = ("", queue) if facts.get("queue") == "served" else (queue, "")
    task.born = job.created_at.timestamp()
    if facts.get("arguments") == "text" and isinstance(job.params, dict):
        task.args, task.kwargs = str(job.params.get("args", "")), str(job.params.get("kwargs", ""))
    elif facts.get("arguments") and isinstance(job.params, dict):
        with suppress(sealing.Unsealable):  # with another SECRET_KEY
            task.real, task.real_by = arguments_of(job), facts["arguments"]
    by = job.basis or "event"
    n = int(facts.get("retries") or 0)
    worker = job.worker.partition(":")[2] or str(facts.get("held_by") or "")
    process = (worker, job.pid or 0)
    moments = {
        name: value and value.timestamp()
        for name, value in (("queued", job.queued_at or job.created_at), ("started", job.started_at),
                            ("finished", job.finished_at), ("due", job.due_at))
    }  # fmt: skip
    ended = {"exception": job.error, "traceback": job.traceback, "result": job.result}
    before = facts.get("before", [])
    for clock, (name, pid, number, at, started, retried) in zip(
        range(-3 * len(before) - 3, -3, 3), before, strict=True
    ):
        add(task, (name, pid), Mark(clock, "received", at, number, {}, by))
        if started:
            add(task, (name, pid), Mark(clock + 1, "started", started, None, {}, by))
        if retried:
            add(task, (name, pid), Mark(clock + 2, "retried", retried, None, ended | {"is_kept": True}, by))
    if worker:
        eta = {"eta": job.due_at.isoformat()} if job.due_at else {}
        add(task, process, Mark(-3, "received", moments["queued"], n, eta, by))
        if moments["started"]:
            add(task, process, Mark(-2, "started", moments["started"], None, {}, by))
    elif not (before and moments["started"]):  # of those nobody has seen the message of the next attempt
        task.waiting = Waiting(n + (job.state == "retrying"), moments["queued"], moments["due"], by)
    if job.state in FINAL:
        how = {"succeeded": "succeeded", "failed": "failed", "cancelled": "revoked"}
        if job.state == "unknown":
            task.gone, task.missing = True, [moments["finished"] or time.time()]
        else:
            add(task, process, Mark(-1, how[job.state], moments["finished"] or moments["queued"], None, ended, by))
    task.known_until = moments["finished"] or moments["started"] or moments["queued"] or 0.0
    task.doubt = job.doubt_at and job.doubt_at.timestamp()
    moved = job.uid != uid_of(app, job.task_id)
    held = process if worker and job.state in OPEN else None
    return Entry(task, job.uid, job.version, job.state, counting.ended(job), held, moved=moved)


def arguments_of(job: Job) -> tuple[list[Any], dict[str, Any]]:
    """The real arguments of a row, unsealed. Raises Unsealable."""
    real = sealing.unseal(job.secrets).get("real") if job.secrets else job.params
    return list(real.get("args") or []), dict(real.get("kwargs") or {})

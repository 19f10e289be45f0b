"""Chains and groups of Celery's canvas, stored in ``Job.then`` until the job has succeeded.

``then`` is a list of branches, which all begin at once. A branch is a list of steps, which run one after the other.
The last step of a branch may be a group: ``{"group": [branch, …]}``. Every step has its job id from the beginning.
Its parameters are validated when the chain is submitted, except the one that takes the result of the job before.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError

from tasks.engine import creation, due, registry, routing, sealing
from tasks.engine.models import Job
from tasks.engine.options import describe_option
from tasks.engine.report import STATE
from tasks.engine.uid import uuid7
from tasks.params.signature import MASK, Params
from tasks.params.typed import pack, restored, unpack

log = logging.getLogger(__name__)

LARGEST = 256 * 1024  # bytes of JSON: each job of a chain carries what is still to come
CHORD = "A chord is not supported: no job waits for the results of a whole group. End the chain with the group."
# Options that Celery's own callers (delay, canvas, beat) pass along and that mean nothing here.
HARMLESS = {
    "add_to_parent", "chord", "group_id", "group_index", "ignore_result", "producer", "reply_to",
    "retry", "retry_policy", "root_id", "parent_id", "serializer", "compression", "connection", "publisher",
    "router", "stamped_headers", "replaced_task_nesting",
}  # fmt: skip
RESULT = object()  # stands for a result that does not exist yet
FIRST = "*"  # before the name of ``*args``, of which a result becomes the first

Step = dict[str, Any]
Branch = list[Step]


def split_options(kind: registry.Kind, options: dict[str, Any]) -> dict[str, Any]:
    """Take ``priority``, ``queue``, ``due_at`` and ``countdown`` out of a call's options.

    TypeError names an option that is not supported.
    """
    found = {name: options.pop(name, None) for name in ("priority", "countdown", "eta")}
    eta = found.pop("eta")
    try:
        found["due_at"] = eta if eta is None else due.at(eta)
        due.after(found["countdown"] or 0)
        found["queue"] = routing.queue_name(options.pop("queue", None))
    except (TypeError, ValueError) as wrong:
        raise type(wrong)(f"{kind.name}: {wrong}.") from None
    if found["priority"] is not None and found["priority"] not in range(10):
        raise ValueError(f"{kind.name}: a priority is a whole number from 0 to 9.")
    for name, value in options.items():
        if value not in (None, [], ()) and name not in HARMLESS:
            raise TypeError(f"{kind.name}: the option {name!r} cannot be honoured for a job{describe_option(name)}.")
    return found


def parse_task_id(kind: str, task_id: str | None) -> UUID | None:
    """Return the job id that canvas or a caller chose, or None. ValueError if it is no UUID."""
    try:
        return UUID(task_id) if task_id else None
    except ValueError:
        raise ValueError(f"{kind}: the id of a job is a UUID, and task_id is none.") from None


def plan_chain(chain: Iterable[Any] | None, link: Any) -> list[Branch] | None:
    """Build ``Job.then`` from canvas options: ``chain``, the last step first, and ``link``, one or many signatures.

    Raises what a call with wrong arguments raises, and NotImplementedError for a chord. Nothing is written.
    """
    links = [link] if isinstance(link, Mapping) else list(link or ())
    steps = [step for signature in reversed(list(chain or ())) for step in _branch(signature)]
    linked = [_check_branch(_branch(signature)) for signature in links]
    for branch in filter(None, linked):
        branch[0]["link"] = True  # the code of a job can take out links and steps of a chain apart from each other
    then = [branch for branch in (_check_branch(steps), *linked) if branch]
    if then and (size := len(json.dumps(then))) > LARGEST:
        raise ValueError(f"The chain is too long: it takes {size:,} bytes, and at most {LARGEST:,} are kept.")
    return then or None


def begin(job: Job) -> list[Job]:
    """Insert the next jobs of a succeeded job, in its transaction. A job that cannot begin is inserted as failed.

    Jobs that exist already stay as they are: a canvas that was frozen once and called twice has the same ids twice.
    """
    jobs = [next_ for branch in job.then or () for next_ in _begun_if_readable(branch, job)]
    known = set(Job.objects.filter(uid__in=[each.uid for each in jobs]).values_list("uid", flat=True)) if jobs else ()
    return Job.objects.bulk_create([each for each in jobs if each.uid not in known])


def in_words(then: list[Branch] | None) -> str:
    """Return ``then`` as text for people: "add, then noop and add"."""
    try:
        return " and ".join(", then ".join(_named(step) for step in branch) for branch in then or ())
    except (TypeError, LookupError):
        return "what cannot be read"


def _named(step: Step) -> str:
    return f"({in_words(step['group'])})" if "group" in step else step["kind"]


def _check_branch(steps: Branch) -> Branch:
    if any("group" in step for step in steps[:-1]):
        raise NotImplementedError(CHORD)
    return steps


def _branch(signature: Mapping[str, Any]) -> Branch:
    options = dict(signature.get("options") or {})
    match signature.get("subtask_type"):
        case None | "task":
            return [_step(signature, options)]
        case "chain":
            return _check_branch([step for each in signature["kwargs"]["tasks"] for step in _branch(each)])
        case "group":
            return [{"group": [_check_branch(_branch(each)) for each in signature["kwargs"]["tasks"]]}]
        case "chord":
            raise NotImplementedError(CHORD)
    raise TypeError(f"{signature.get('task')} cannot be a step of a chain of jobs.")


def _step(signature: Mapping[str, Any], options: dict[str, Any]) -> Step:
    if not registry.knows(signature["task"]):
        raise registry.UnknownKind(f"{signature['task']} is no job, and steps of a chain of jobs are: give it @job.")
    kind = registry.get(signature["task"])
    uid, then = options.pop("task_id", None) or str(uuid7()), plan_chain(None, options.pop("link", None))
    args, kwargs = tuple(signature.get("args") or ()), signature.get("kwargs") or {}
    asked = split_options(kind, options)
    bound = kind.signature.bind(args if signature.get("immutable") else (RESULT, *args), kwargs)
    takes = next((name for name, value in bound.items() if value is RESULT), None)
    if takes is not None:
        del bound[takes]
    elif (rest := bound.get(kind.signature.rest)) and rest[0] is RESULT:  # the first of ``*args``
        takes, bound[kind.signature.rest] = FIRST + kind.signature.rest, rest[1:]
    params = kind.signature.take(bound, fill=takes is None)
    secrets = {name: params[name] for name in kind.signature.secrets if params.get(name) is not None}
    step = {
        "id": uid,
        "kind": kind.name,
        "params": pack(creation.with_values(params, dict.fromkeys(secrets, MASK))),
        "takes": takes,
        "secrets": sealing.seal(secrets),
        "then": then,
        **asked,
        "due_at": asked["due_at"] and asked["due_at"].isoformat(),
    }
    return {name: value for name, value in step.items() if value not in (None, "")}


def _begun_if_readable(branch: Branch, before: Job) -> list[Job]:
    """What follows, unless it was stored by somebody else and says nothing: the job that succeeded has succeeded."""
    try:
        return list(_build_branch(branch, before))
    except (TypeError, LookupError, AttributeError, ValueError):
        log.exception("What was to follow job %s cannot be read, so nothing does.", before.uid)
        return []


def _build_branch(branch: Branch, before: Job) -> Iterator[Job]:
    head, rest = branch[0], branch[1:]
    if "group" in head:
        for each in head["group"]:
            yield from _build_branch(each, before)
        return
    taken = _what_it_takes(head, before.result) if "takes" in head else {}
    uid, given = UUID(head["id"]), Params.of(unpack(head["params"]))
    try:
        kind, known = registry.get(head["kind"]), creation.with_values(given, sealing.unseal(head.get("secrets", "")))
        params = kind.signature.take(taken, known)
        when = due.after(head["countdown"]) if "countdown" in head else None
        when = when or (datetime.fromisoformat(head["due_at"]) if "due_at" in head else None)
        job = creation.build_checked(kind, params, None, head.get("priority"), when, uid, head.get("queue"))
    except DatabaseError:
        raise
    except Exception as error:
        kept = {} if _is_secret(head["kind"], head.get("takes")) else dict.fromkeys(taken, before.result)
        job = creation.build_failed_job(
            head["kind"], creation.with_values(given, kept), head.get("secrets", ""), uid, error
        )
    job.owner_id, job._owner_name, job.parent = before.owner_id, before.owner_name, before.uid
    job.headers = {name: value for name, value in (before.headers or {}).items() if name != STATE} or None
    job.then = [*([rest] if rest else []), *head.get("then", [])] or None
    yield job


def _what_it_takes(head: Step, result: Any) -> dict[str, Any]:
    """The parameter that takes a result, with the value that the job before has returned."""
    name = head["takes"]
    if not name.startswith(FIRST):
        return {name: restored(result)}
    name = name.removeprefix(FIRST)
    return {name: [restored(result), *restored(unpack(head["params"]).get(name, []))]}


def _is_secret(kind: str, param: str | None) -> bool:
    return any(param in each.signature.secrets for each in registry.kinds() if each.name == kind)

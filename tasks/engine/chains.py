"""Chains and groups of Celery's canvas, stored in ``Job.then`` until the job has succeeded.

``then`` is a list of branches, which all begin at once. A branch is a list of steps, which run one after the other.
The last step of a branch may be a group: ``{"group": [branch, …]}``, or a chord, a group with a body that waits for all
of it: ``{"group": […], "join": {"id", "children", "body": branch}}``. What counts for a chord ends with the step
``{"chord": id}``. Every step has its job id from the beginning.
Its parameters are validated when the chain is submitted, except the one that takes the result of the job before.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection

from tasks.engine import creation, due, registry, sealing
from tasks.engine.creation import RESULT_OF, RESULTS_OF
from tasks.engine.models import Chord, Job
from tasks.engine.options import describe_option
from tasks.engine.report import STATE
from tasks.engine.uid import uuid7
from tasks.params.json_types import carried
from tasks.params.signature import MASK, Params, size
from tasks.params.typed import Typed, pack, restored, unpack

log = logging.getLogger(__name__)

LONG = 32 * 1024  # bytes of JSON: a longer result is no part of the next job's parameters, which refer to it
LARGEST = 256 * 1024  # bytes of JSON: each job of a chain carries what is still to come
MOST_HEADERS = 8 * 1024  # bytes of JSON
# Options that Celery's own callers (delay, canvas, beat) pass along and that mean nothing here.
HARMLESS = {
    "add_to_parent", "chord", "chord_size", "group_id", "group_index", "ignore_result", "producer", "reply_to",
    "retry", "retry_policy", "root_id", "parent_id", "serializer", "compression", "connection", "publisher",
    "router", "stamped_headers", "replaced_task_nesting",
}  # fmt: skip
RESULT = object()  # stands for a result that does not exist yet
FIRST = "*"  # before the name of ``*args``, of which a result becomes the first

Step = dict[str, Any]
Branch = list[Step]


def split_options(kind: registry.Kind, options: dict[str, Any]) -> dict[str, Any]:
    """Take what a job can honour out of a call's options. TypeError names an unsupported one.

    Returns ``priority``, ``due_at``, ``countdown`` (seconds), ``expires_at``, ``expires`` (seconds) and ``headers``.
    """
    found = {name: options.pop(name, None) for name in ("priority", "countdown", "eta", "expires", "headers")}
    eta = found.pop("eta")
    try:
        found["due_at"] = eta if eta is None else due.at(eta)
        due.after(found["countdown"] or 0)
        found |= split_expires(kind.expires if found["expires"] is None else found["expires"])
        found["headers"] = check_headers(found["headers"])
    except (TypeError, ValueError) as wrong:
        raise type(wrong)(f"{kind.name}: {wrong}.") from None
    if options.get("queue") in (None, kind.queue):
        options.pop("queue", None)
    if found["priority"] is not None and found["priority"] not in range(10):
        raise ValueError(f"{kind.name}: a priority is a whole number from 0 to 9.")
    for name, value in options.items():
        if value not in (None, [], ()) and name not in HARMLESS:
            raise TypeError(f"{kind.name}: the option {name!r} cannot be honoured for a job{describe_option(name)}.")
    return found


def split_expires(expires: Any) -> dict[str, Any]:
    """Celery's ``expires``: seconds from the call on, or a moment."""
    if expires is None or (isinstance(expires, int | float) and not isinstance(expires, bool)):
        due.after(expires or 0)
        return {"expires": expires, "expires_at": None}
    return {"expires": None, "expires_at": due.at(expires)}


def expiry(asked: Mapping[str, Any]) -> datetime | None:
    """The moment after which a job that begins to wait now is not to run."""
    seconds = asked.get("expires")
    return asked.get("expires_at") if seconds is None else due.after(seconds)


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


def parse_task_id(kind: str, task_id: str | None) -> UUID | None:
    """Return the job id that canvas or a caller chose, or None. ValueError if it is no UUID."""
    try:
        return UUID(task_id) if task_id else None
    except ValueError:
        raise ValueError(f"{kind}: the id of a job is a UUID, and task_id is none.") from None


def plan_chain(chain: Iterable[Any] | None, link: Any, chord: str | None = None) -> list[Branch] | None:
    """Build ``Job.then`` from canvas options: ``chain``, the last step first, ``link``, one or many signatures, and the
    id of the ``chord`` that the job counts for.

    Raises what a call with wrong arguments raises. Nothing is written.
    """
    links = [link] if isinstance(link, Mapping) else list(link or ())
    linked = [_branch(signature) for signature in links]
    for branch in filter(None, linked):
        branch[0]["link"] = True  # the code of a job can take out links and steps of a chain apart from each other
    counted = [{"chord": chord}] if chord else []
    then = [branch for branch in (_in_order(reversed(list(chain or ()))), *linked, counted) if branch]
    if then and (bytes_ := size(then)) > LARGEST:
        raise ValueError(f"The chain is too long: it takes {bytes_:,} bytes, and at most {LARGEST:,} are kept.")
    return then or None


def chord_of(options: Mapping[str, Any]) -> str | None:
    """The id of the chord that a call with these options of Celery's counts for."""
    return options.get("group_id") if options.get("chord") else None


def open_chord(uid: str, children: list[str], body: Mapping[str, Any]) -> None:
    """Store a chord before the jobs that it waits for are made."""
    _store_chord({"id": uid, "children": children, "body": _branch(body)})


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
        branches = [", then ".join(_named(step) for step in branch if "chord" not in step) for branch in then or ()]
        return " and ".join(filter(None, branches))
    except (TypeError, LookupError):
        return "what cannot be read"


def _named(step: Step) -> str:
    if "join" in step:
        return f"({in_words(step['group'])}), then {in_words([step['join']['body']])}"
    return f"({in_words(step['group'])})" if "group" in step else step["kind"]


def _in_order(signatures: Iterable[Mapping[str, Any]], counted: bool = True) -> Branch:
    """One branch of signatures that run one after the other. What follows a group waits for all of it."""
    branch: Branch = []
    for each in signatures:
        _follow(branch, _branch(each, counted))
    return branch


def _follow(branch: Branch, more: Branch) -> None:
    last = branch[-1] if branch else {}
    if "join" in last:
        _follow(last["join"]["body"], more)
    elif "group" in last and more:
        last["join"] = _join(last["group"], more)
    else:
        branch.extend(more)


def _join(group: list[Branch], body: Branch) -> dict[str, Any]:
    uid = str(uuid7())
    return {"id": uid, "children": [end for each in group for end in _end_with(each, uid)], "body": body}


def _end_with(branch: Branch, chord: str) -> list[str]:
    """Let the ends of a branch count for a chord; returns the ids of their jobs, in their order."""
    last = branch[-1]
    if "join" in last:
        return _end_with(last["join"]["body"], chord)
    if "group" in last:
        return [end for each in last["group"] for end in _end_with(each, chord)]
    branch.append({"chord": chord})
    return [last["id"]]


def _last(branch: Branch) -> str | None:
    """The id of the job that ends a branch; None if several do."""
    steps = [step for step in branch if "chord" not in step]
    if steps and "join" in steps[-1]:
        return _last(steps[-1]["join"]["body"])
    return steps[-1].get("id") if steps else None


def _branch(signature: Mapping[str, Any], counted: bool = True) -> Branch:
    """``counted``: honour the chord that Celery has marked it for. Within a chord of our own making, ids are ours."""
    options = dict(signature.get("options") or {})
    inside = signature.get("kwargs") or {}
    match signature.get("subtask_type"):
        case None | "task":
            chord = chord_of(options) if counted else None
            return [_step(signature, options), *([{"chord": chord}] if chord else [])]
        case "chain":
            return _in_order(inside["tasks"], counted)
        case "group":
            return [{"group": group}] if (group := [_branch(each, counted) for each in inside["tasks"]]) else []
        case "chord":
            header = inside["header"]
            tasks = header["kwargs"]["tasks"] if isinstance(header, Mapping) else header
            group = [_branch(each, counted=False) for each in tasks]
            return [{"group": group, "join": _join(group, _branch(inside["body"], counted))}]
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
        "expires_at": asked["expires_at"] and asked["expires_at"].isoformat(),
        "headers": pack(asked["headers"]),
    }
    return {name: value for name, value in step.items() if value not in (None, "")}


def _begun_if_readable(branch: Branch, before: Job) -> list[Job]:
    """What follows, unless it was stored by somebody else and says nothing: the job that succeeded has succeeded."""
    try:
        return list(_build_branch(branch, before, before.result, Typed(str(before.uid), RESULT_OF)))
    except (TypeError, LookupError, AttributeError, ValueError):
        log.exception("What was to follow job %s cannot be read, so nothing does.", before.uid)
        return []


def _build_branch(branch: Branch, before: Job, result: Any, reference: Typed) -> Iterator[Job]:
    """The jobs that begin a branch. ``reference`` stands for a ``result`` that is too long for a parameter."""
    head, rest = branch[0], branch[1:]
    if "chord" in head:
        yield from _count(head["chord"], before)
    elif "group" in head:
        if "join" in head:
            _store_chord(head["join"])
        for each in head["group"]:
            yield from _build_branch(each, before, result, reference)
    else:
        yield _build_step(head, rest, before, result, reference)


def _build_step(head: Step, rest: Branch, before: Job, result: Any, reference: Typed) -> Job:
    taken = _what_it_takes(head, result) if "takes" in head else {}
    uid, given = UUID(head["id"]), Params.of(unpack(head["params"]))
    try:
        kind, known = registry.get(head["kind"]), creation.with_values(given, sealing.unseal(head.get("secrets", "")))
        if "takes" in head and size(taken) > LONG and not kind.signature.keeps_to(head["takes"]):
            taken = {head["takes"]: reference}
        params = kind.signature.take(taken, known)
        when = due.after(head["countdown"]) if "countdown" in head else None
        when = when or (datetime.fromisoformat(head["due_at"]) if "due_at" in head else None)
        job = creation.build_checked(kind, params, None, head.get("priority"), when, uid)
    except DatabaseError:
        raise
    except Exception as error:
        kept = {} if _is_secret(head["kind"], head.get("takes")) else dict.fromkeys(taken, result)
        job = creation.build_failed_job(
            head["kind"], creation.with_values(given, kept), head.get("secrets", ""), uid, error
        )
    moment = head.get("expires_at")
    job.expires_at = expiry({**head, "expires_at": moment and datetime.fromisoformat(moment)})
    kept = {name: value for name, value in (before.headers or {}).items() if name != STATE}
    job.headers = {**kept, **(unpack(head.get("headers")) or {})} or None
    job.owner_id, job._owner_name, job.parent = before.owner_id, before.owner_name, before.uid
    job.root = before.root or before.uid
    job.then = [*([rest] if rest else []), *head.get("then", [])] or None
    return job


def _store_chord(join: Mapping[str, Any]) -> None:
    """A canvas that was frozen once and called twice has the same chord twice."""
    children, body = join["children"], join["body"]
    made = Chord(uid=join["id"], waiting=len(children), children=children, body=body, last=_last(body))
    Chord.objects.bulk_create([made], ignore_conflicts=True)


def _count(uid: str, child: Job) -> list[Job]:
    """One of the jobs that a chord waits for has succeeded, in the transaction of its end: the last begins the body."""
    table = Chord._meta.db_table
    sql = f"UPDATE {table} SET waiting = waiting - 1 WHERE uid = %s AND waiting > 0 RETURNING waiting"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [Chord._meta.get_field("uid").get_db_prep_value(UUID(uid), connection)])
        left = cursor.fetchone()
    if left is None or left[0]:
        return []
    chord = Chord.objects.get(uid=uid)
    begun = list(_build_branch(chord.body, child, creation.results_of(chord), Typed(uid, RESULTS_OF)))
    if not any(getattr(value, "type", "") == RESULTS_OF for job in begun for value in job.params.values()):
        chord.delete()
    return begun


def _what_it_takes(head: Step, result: Any) -> dict[str, Any]:
    """The parameter that takes a result, with the value that the job before has returned."""
    name = head["takes"]
    if not name.startswith(FIRST):
        return {name: restored(result)}
    name = name.removeprefix(FIRST)
    return {name: [restored(result), *restored(unpack(head["params"]).get(name, []))]}


def _is_secret(kind: str, param: str | None) -> bool:
    return any(param in each.signature.secrets for each in registry.kinds() if each.name == kind)

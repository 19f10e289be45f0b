"""Plans: what Celery's canvas asks for as ``Job.then``, checked when it is asked for. What begins stands in chains.

``then`` is a list of branches, which all begin at once. A branch is a list of steps, which run one after the other.
The last step of a branch may be a group: ``{"group": [branch, …]}``, or a chord, a group with a body that waits for all
of it: ``{"group": […], "join": {"id", "children", "body": branch}}``. What counts for a chord ends with the step
``{"chord": id}``. Every step has its job id from the beginning.
Its parameters are validated when the chain is submitted, except the one that takes the result of the job before.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.engine import creation, registry, sealing
from tasks.engine.call_options import split_options
from tasks.engine.models import Chord
from tasks.engine.uid import uuid7
from tasks.params.signature import MASK, size
from tasks.params.typed import pack

LARGEST = 256 * 1024  # bytes of JSON: each job of a chain carries what is still to come
RESULT = object()  # stands for a result that does not exist yet
FIRST = "*"  # before the name of ``*args``, of which a result becomes the first
COLLECT = "collect_results"  # the kind that waits for a group

Step = dict[str, Any]
Branch = list[Step]


def plan_chain(
    chain: Iterable[Any] | None, link: Any, chord: str | None = None, link_error: Any = None
) -> list[Branch] | None:
    """Build ``Job.then`` from canvas options: ``chain``, the last step first, ``link``, one or many signatures, the id
    of the ``chord`` that the job counts for, and ``link_error``, what begins when the job has failed.

    Raises what a call with wrong arguments raises. Nothing is written.
    """
    linked, on_error = [_branch(each) for each in _listed(link)], [_errback(each) for each in _listed(link_error)]
    for branch in filter(None, linked):
        branch[0]["link"] = True  # the code of a job can take out links and steps of a chain apart from each other
    counted = [{"chord": chord}] if chord else []
    then = [branch for branch in (_in_order(reversed(list(chain or ()))), *linked, counted, *on_error) if branch]
    if then and (bytes_ := size(then)) > LARGEST:
        raise ValueError(f"The chain is too long: it takes {bytes_:,} bytes, and at most {LARGEST:,} are kept.")
    return then or None


def _listed(signatures: Any) -> list[Any]:
    return [signatures] if isinstance(signatures, Mapping) else list(signatures or ())


def waits_for_failure(branch: Branch) -> bool:
    """Whether it begins when the job before it has failed."""
    return bool(branch) and isinstance(branch[0], dict) and branch[0].get("on_error") is True


def _errback(signature: Mapping[str, Any]) -> Branch:
    """Celery gives an errback of one parameter the id of what failed. One with more is called inside the worker."""
    kind = registry.find(signature.get("task", ""))
    given = len(signature.get("args") or ()) + len(signature.get("kwargs") or {})
    needed = [field for field in kind.signature.fields if field.required] if kind else []
    if not signature.get("immutable") and len(needed) - given > 1:
        raise TypeError(
            f"{kind.name}: link_error begins a job with one parameter, the id of the job that failed. Request, "
            "exception and traceback are in its row."
        )
    branch = _branch(signature)
    branch[0]["on_error"] = True
    return branch


def chord_of(options: Mapping[str, Any]) -> str | None:
    """The id of the chord that a call with these options of Celery's counts for."""
    return options.get("group_id") if options.get("chord") else None


def plan_replacement(signature: Mapping[str, Any], then: list[Branch] | None) -> tuple[list[Branch], str]:
    """What follows a job whose code has put ``signature`` in its place, and the id of the job that ends for it.

    ``then`` is what followed the job before: it follows that one now.
    """
    branch = _branch(_given_nothing(signature), counted=False)
    if not branch:
        raise ValueError("A job cannot be replaced by nothing.")
    if _last(branch) is None:  # a group: one job waits for all of it and has their results
        _follow(branch, [_step({"task": COLLECT}, {})])
    end = _last_step(branch)
    for each in then or ():
        if each[0].get("link") or waits_for_failure(each):
            end.setdefault("then", []).append(each)
        else:
            _follow(branch, each)
    return [branch], end["id"]


def _given_nothing(signature: Mapping[str, Any]) -> dict[str, Any]:
    """The signature, of which the first jobs take no result of a job before."""
    inside = dict(signature.get("kwargs") or {})
    match signature.get("subtask_type"):
        case "chain":
            first, *rest = inside["tasks"] or [None]
            inside["tasks"] = [_given_nothing(first), *rest] if first else []
        case "group":
            inside["tasks"] = [_given_nothing(each) for each in inside["tasks"]]
        case "chord":
            header = inside["header"]
            tasks = header["kwargs"]["tasks"] if isinstance(header, Mapping) else header
            inside["header"] = [_given_nothing(each) for each in tasks]
        case _:
            return {**signature, "immutable": True}
    return {**signature, "kwargs": inside}


def open_chord(uid: str, children: list[str], body: Mapping[str, Any]) -> None:
    """Store a chord before the jobs that it waits for are made."""
    store_chord({"id": uid, "children": children, "body": _branch(body)})


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
    return _last_step(branch).get("id")


def _last_step(branch: Branch) -> Step:
    steps = [step for step in branch if "chord" not in step]
    if steps and "join" in steps[-1]:
        return _last_step(steps[-1]["join"]["body"])
    return steps[-1] if steps else {}


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
    uid = options.pop("task_id", None) or str(uuid7())
    then = plan_chain(options.pop("chain", None), options.pop("link", None), None, options.pop("link_error", None))
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


def store_chord(join: Mapping[str, Any]) -> None:
    """A canvas that was frozen once and called twice has the same chord twice."""
    children, body = join["children"], join["body"]
    made = Chord(uid=join["id"], waiting=len(children), children=children, body=body, last=_last(body))
    Chord.objects.bulk_create([made], ignore_conflicts=True)

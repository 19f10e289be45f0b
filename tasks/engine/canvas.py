"""Turns what Celery's canvas asks for into ``Job.then``, and checks it at the call. ``chains`` starts what follows.

``then`` is a list of branches, which all begin at once. A branch is a list of steps, which run one after the other.
The last step of a branch may be a group: ``{"group": [branch, …]}``, or a chord, a group with a body that waits for all
of it: ``{"group": […], "join": {"id", "children", "body": branch}}``. What counts for a chord ends with the step
``{"chord": id}``. A branch whose first step says ``on_error`` begins when the job before it has failed. Every step has
its job id from the beginning.
Its parameters are validated when the chain is submitted, except the one that takes the result of the job before.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.engine import chords, creation, maps, registry, sealing
from tasks.engine.call_options import HARMLESS, split_options
from tasks.engine.uid import uuid7
from tasks.params.signature import MASK, size
from tasks.params.typed import pack

LARGEST = 256 * 1024  # bytes of JSON: each job of a chain carries what is still to come
RESULT = object()  # stands for a result that does not exist yet
REQUEST, ERROR, TRACEBACK = object(), object(), object()  # of a job that has not failed yet
FIRST = "*"  # before the name of ``*args``, of which a result becomes the first
COLLECT = "collect_results"  # the kind that waits for a group
# options that a canvas does not hand on to its tasks
CANVAS_OWN = HARMLESS | {"task_id", "link", "link_error", "group_id", "group_index"}
FOR_ALL = {"owner"}  # options of a canvas that its later steps take from the jobs before them

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
    """As Celery does: one that takes several arguments gets request, exception and traceback, one that takes a single
    argument or is bound gets the id of the job that failed."""
    kind = registry.find(signature.get("task", ""))
    if kind is None or signature.get("immutable") or not _takes_several(kind, signature):
        branch = _branch(signature)
    else:
        branch = [_step(signature, dict(signature.get("options") or {}), (REQUEST, ERROR, TRACEBACK))]
    if branch:
        branch[0]["on_error"] = True
    return branch


def _takes_several(kind: registry.Kind, signature: Mapping[str, Any]) -> bool:
    if kind.bound:
        return False
    given, named = len(signature.get("args") or ()), signature.get("kwargs") or {}
    takes = [each for each in kind.signature.call.parameters.values() if each.name not in named]
    if any(each.kind is each.VAR_POSITIONAL for each in takes):
        return True
    return sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in takes) - given > 1


def chord_of(options: Mapping[str, Any]) -> str | None:
    """The id of the chord that a call with these options of Celery's counts for."""
    return options.get("group_id") if options.get("chord") else None


def plan_replacement(signature: Mapping[str, Any], then: list[Branch] | None) -> tuple[list[Branch], str]:
    """What follows a job whose code has put ``signature`` in its place, and the id of the job whose end is its end.

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
    """The signature, with first jobs that take no result of an earlier job."""
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
    options = {name: value for name, value in (body.get("options") or {}).items() if name not in FOR_ALL}
    store_chord({"id": uid, "children": children, "body": _branch({**body, "options": options})})


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
    children = [end for each in group for end in _end_with(each, uid)]
    chords.check_size(len(children))
    return {"id": uid, "children": children, "body": body}


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
    if signature.get("task") == "celery.chunks":
        raise TypeError("Chunks are a group: give a canvas of jobs the group, task.chunks(…).group().")
    match signature.get("subtask_type"):
        case None | "task":
            if signature["task"] in maps.NAMES:
                signature = {**signature, "kwargs": maps.plan(inside, options)}
            chord = chord_of(options) if counted else None
            return [_step(signature, options), *([{"chord": chord}] if chord else [])]
        case "chain":
            first, *rest = inside["tasks"] or [None]
            branch = _in_order([_with(first, options), *rest], counted) if first else []
            return _linked(branch, options)
        case "group":
            if options.get("link") or options.get("link_error"):
                raise TypeError("A group has no link or link_error of its own: give it to each of its tasks.")
            tasks = _knowing(inside["tasks"], options.get("task_id"))
            group = [_branch(_with(each, options), counted) for each in tasks]
            return [{"group": group}] if group else []
        case "chord":
            header = inside["header"]
            tasks = header["kwargs"]["tasks"] if isinstance(header, Mapping) else header
            later = {name: value for name, value in options.items() if name not in ("countdown", "eta")}
            group = [_branch(_with(each, options), counted=False) for each in _knowing(tasks, options.get("task_id"))]
            body = _linked(_branch(_with(inside["body"], later), counted), options)
            return [{"group": group, "join": _join(group, body)}] if group else body
    raise TypeError(f"{signature.get('task')} cannot be a step of a chain of jobs.")


def _knowing(tasks: Iterable[Mapping[str, Any]], group: str | None) -> list[Mapping[str, Any]]:
    """The tasks of a group, each with the group's id and its place in it, as in Celery; of a chain, its last step."""
    uid, known = group or str(uuid7()), []
    for index, each in enumerate(tasks):
        steps = (each.get("kwargs") or {}).get("tasks") if each.get("subtask_type") == "chain" else None
        last = (steps or [each])[-1]
        if last.get("subtask_type") in (None, "task"):
            last = {**last, "options": {"group_id": uid, "group_index": index, **(last.get("options") or {})}}
        known.append({**each, "kwargs": {**each["kwargs"], "tasks": [*steps[:-1], last]}} if steps else last)
    return known


def _with(signature: Mapping[str, Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The signature with the options of the canvas around it, which override its own, as in Celery."""
    more = {name: value for name, value in options.items() if name not in CANVAS_OWN and value not in (None, [], ())}
    return {**signature, "options": {**(signature.get("options") or {}), **more}} if more else signature


def _linked(branch: Branch, options: Mapping[str, Any]) -> Branch:
    """The branch with ``link`` of the canvas around it after its end, and ``link_error`` after each of its failures."""
    for signature in _listed(options.get("link")) if branch else ():
        if _last(branch) is None:
            raise TypeError("A group has no link of its own: give it to each of its tasks.")
        linked = _branch(signature)
        linked[0]["link"] = True
        _last_step(branch).setdefault("then", []).append(linked)
    for step in branch:
        for signature in _listed(options.get("link_error")):
            _fails_to(step, signature)
    return branch


def _fails_to(step: Step, signature: Mapping[str, Any]) -> None:
    if "join" in step:
        for each in step["join"]["body"]:
            _fails_to(each, signature)
    elif "group" in step:
        for branch in step["group"]:
            for each in branch:
                _fails_to(each, signature)
    elif "chord" not in step:
        step.setdefault("then", []).append(_errback(signature))


def _step(signature: Mapping[str, Any], options: dict[str, Any], given: tuple[Any, ...] = (RESULT,)) -> Step:
    """``given``: what stands for the first arguments, which are not known yet."""
    if not registry.knows(signature["task"]):
        raise registry.UnknownKind(f"{signature['task']} is no job, and steps of a chain of jobs are: give it @job.")
    kind = registry.get(signature["task"])
    uid = options.pop("task_id", None) or str(uuid7())
    then = plan_chain(options.pop("chain", None), options.pop("link", None), None, options.pop("link_error", None))
    args, kwargs = tuple(signature.get("args") or ()), signature.get("kwargs") or {}
    asked = split_options(kind, options)
    bound = kind.signature.bind(args if signature.get("immutable") else (*given, *args), kwargs)
    takes: Any = [name for each in given for name, value in bound.items() if value is each]
    for name in takes:
        del bound[name]
    rest = bound.get(kind.signature.rest) or []
    if late := [value for value in rest if any(value is each for each in given)]:  # the first of ``*args``
        takes += [FIRST + kind.signature.rest] * len(late)
        bound[kind.signature.rest] = rest[len(late) :]
    takes = takes if len(given) > 1 else takes[0] if takes else None
    params = kind.signature.take(bound, fill=not takes)
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
    return {name: value for name, value in step.items() if value not in (None, "", [])}


def store_chord(join: Mapping[str, Any]) -> None:
    chords.store(join, _last(join["body"]))

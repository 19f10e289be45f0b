"""What begins when a job has ended, as ``Job.then`` says: the next steps of its chain, a chord's body, errbacks.

All of it is inserted in the transaction of that end. How ``then`` is made, and its form, stand in canvas.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from celery.utils.nodenames import anon_nodename
from django.db import DatabaseError

from tasks.engine import chords, creation, due, registry, sealing
from tasks.engine.call_options import OF_THE_CALL, ORIGIN, expiry
from tasks.engine.canvas import FIRST, Branch, Step, store_chord, waits_for_failure
from tasks.engine.creation import FAILURE, RESULT_OF, RESULTS_OF
from tasks.engine.models import Chord, Job, State
from tasks.engine.report import OF_THE_ATTEMPT
from tasks.engine.uid import uuid7
from tasks.params.signature import Params, size
from tasks.params.typed import Typed, restored, unpack

log = logging.getLogger(__name__)

LONG = 32 * 1024  # bytes of JSON: a longer result is no part of the next job's parameters, which refer to it


def begin(job: Job) -> list[Job]:
    """Insert the jobs that begin since this one has ended, in its transaction. One that cannot begin has failed.

    Jobs that exist already stay as they are: a canvas that was frozen once and called twice has the same ids twice.
    """
    branches = job.then if isinstance(job.then, list) else []
    match job.state:
        case State.SUCCEEDED:
            followers = [branch for branch in branches if not waits_for_failure(branch)]
            return _insert([each for branch in followers for each in _begun_if_readable(branch, job)])
        case State.FAILED | State.CANCELLED:
            return _insert(list(_begun_by_failure(branches, job)))
    return []


def _begun_by_failure(branches: list[Branch], job: Job) -> Iterator[Job]:
    """Errbacks of the job, which begin each time it fails, and those of chords that wait for it, which begin once."""
    for branch in branches:
        if not waits_for_failure(branch):
            if job.state == State.FAILED:
                chords.tell_of_steps(branch, job.uid)
            yield from _break_off(branch, job)
        elif job.state == State.FAILED:
            for each in _begun_if_readable(branch, job, str(job.uid)):
                each.uid = uuid7() if Job.objects.filter(uid=each.uid).exists() else each.uid
                yield each


def _break_off(branch: Branch, job: Job) -> Iterator[Job]:
    """The errbacks of the bodies that do not begin, since a job before them has failed or was cancelled."""
    for uid in chords.counted_by(branch):
        if (chord := chords.break_off(uid, job.uid)) is None:
            continue
        for head in chord.body[0].get("group", [chord.body]):
            for each in filter(waits_for_failure, head[0].get("then", ())):
                yield from _begun_if_readable(each, job, str(chord.last or head[0]["id"]))
        yield from _break_off(chord.body, job)


def _insert(jobs: list[Job]) -> list[Job]:
    known = set(Job.objects.filter(uid__in=[each.uid for each in jobs]).values_list("uid", flat=True)) if jobs else ()
    made = Job.objects.bulk_create([*{each.uid: each for each in jobs if each.uid not in known}.values()])
    return made + [each for job in made if job.state == State.FAILED and job.then for each in begin(job)]


def in_words(then: list[Branch] | None) -> str:
    """Return ``then`` as text for people: "add, then noop and add"."""
    try:
        return " and ".join(filter(None, map(_branch_in_words, then or ())))
    except (TypeError, LookupError):
        return "what cannot be read"


def _branch_in_words(branch: Branch) -> str:
    steps = ", then ".join(filter(None, map(_named, branch)))
    return f"if it fails, {steps}" if waits_for_failure(branch) else steps


def _named(step: Step) -> str:
    if "chord" in step:
        waits = Chord.objects.filter(uid=step["chord"]).first()
        return f"{in_words([waits.body])} when {len(waits.children)} such jobs have succeeded" if waits else ""
    if "join" in step:
        return f"({in_words(step['group'])}), then {in_words([step['join']['body']])}"
    return f"({in_words(step['group'])})" if "group" in step else step["kind"]


def _begun_if_readable(branch: Branch, before: Job, failed: str | None = None) -> list[Job]:
    """The jobs that follow; none, with a line in the log, if the branch cannot be read. The success before it stands.

    ``failed``: the id that takes the place of the result.
    """
    result = before.result if failed is None else failed
    try:
        return list(_build_branch(branch, before, result, Typed(str(before.uid), RESULT_OF)))
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
            store_chord(head["join"])
        for each in head["group"]:
            yield from _build_branch(each, before, result, reference)
    else:
        yield _build_step(head, rest, before, result, reference)


def _build_step(head: Step, rest: Branch, before: Job, result: Any, reference: Typed) -> Job:
    """``result``: an exception if there is none to take."""
    takes, uid, given = head.get("takes"), UUID(head["id"]), Params.of(unpack(head["params"]))
    taken: dict[str, Any] = {}
    try:
        kind, known = registry.get(head["kind"]), creation.with_values(given, sealing.unseal(head.get("secrets", "")))
        if takes and isinstance(result, Exception):
            raise result
        if isinstance(takes, list):
            params = _referring(kind.signature.take({}, known), _of_failure(takes, given, result))
        elif takes and size(result) > LONG and not kind.signature.keeps_to(takes):
            params = _referring(kind.signature.take({}, known), {takes: reference})
        else:
            taken = _what_it_takes(takes, given, result) if takes else {}
            params = kind.signature.take(taken, known)
        when = due.after(head["countdown"]) if "countdown" in head else None
        when = when or (datetime.fromisoformat(head["due_at"]) if "due_at" in head else None)
        job = creation.build_checked(kind, params, None, head.get("priority"), when, uid, head.get("queue"))
    except DatabaseError:
        raise
    except Exception as error:
        kept = {} if _is_secret(head["kind"], takes) else dict.fromkeys(taken, result)
        job = creation.build_failed_job(
            head["kind"], creation.with_values(given, kept), head.get("secrets", ""), uid, error
        )
    moment = head.get("expires_at")
    job.expires_at = expiry({**head, "expires_at": moment and datetime.fromisoformat(moment)})
    handed_on = {
        name: value for name, value in (before.headers or {}).items() if name not in (*OF_THE_ATTEMPT, *OF_THE_CALL)
    }
    creation.set_headers(job, {ORIGIN: anon_nodename(), **handed_on, **(unpack(head.get("headers")) or {})})
    job.owner_id, job._owner_name, job.parent = before.owner_id, before.owner_name, before.uid
    job.root = before.root or before.uid
    job.then = [*([rest] if rest else []), *head.get("then", [])] or None
    return job


def _referring(params: Params, references: dict[str, Any]) -> Params:
    """The parameters with references, which no annotation is asked about."""
    names = {"as_given": params.as_given | references.keys(), "filled": params.filled - references.keys()}
    return Params.of({**params, **references}, **{**vars(params), **names})


def _of_failure(takes: list[str], given: Params, failed: str) -> dict[str, Any]:
    """References to request, error and traceback of a job that has failed, by the parameters that take them."""
    found: dict[str, Any] = {}
    for name, what in zip(takes, FAILURE, strict=False):
        if name.startswith(FIRST):
            found.setdefault(name.removeprefix(FIRST), []).append(Typed(failed, what))
        else:
            found[name] = Typed(failed, what)
    return {name: [*value, *given.get(name, [])] if isinstance(value, list) else value for name, value in found.items()}


def _count(uid: str, child: Job) -> list[Job]:
    """One of the jobs that a chord waits for has succeeded, in the transaction of its end: the last begins the body."""
    if not chords.count(uid):
        return []
    chord = Chord.objects.get(uid=uid)
    try:
        results: Any = creation.results_of(chord)
    except (LookupError, ValueError) as error:
        results = error
    begun = list(_build_branch(chord.body, child, results, Typed(uid, RESULTS_OF)))
    if not any(getattr(value, "type", "") == RESULTS_OF for job in begun for value in job.params.values()):
        chord.delete()
    return begun


def _what_it_takes(name: str, given: Params, result: Any) -> dict[str, Any]:
    """The parameter that takes a result, with the value that the job before has returned."""
    if not name.startswith(FIRST):
        return {name: restored(result)}
    name = name.removeprefix(FIRST)
    return {name: [restored(result), *restored(given.get(name, []))]}


def _is_secret(kind: str, param: Any) -> bool:
    return any(param in each.signature.secrets for each in registry.kinds() if each.name == kind)

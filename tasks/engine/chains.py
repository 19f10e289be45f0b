"""What begins when a job has ended, as ``Job.then`` says: the next steps of its chain, a chord's body, errbacks.

All of it is inserted in the transaction of that end. How ``then`` is made, and its form, stand in canvas.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection

from tasks.engine import creation, due, registry, sealing
from tasks.engine.call_options import expiry
from tasks.engine.canvas import FIRST, Branch, Step, store_chord, waits_for_failure
from tasks.engine.creation import RESULT_OF, RESULTS_OF
from tasks.engine.models import Chord, Job
from tasks.engine.report import STATE
from tasks.params.signature import Params, size
from tasks.params.typed import Typed, restored, unpack

log = logging.getLogger(__name__)

LONG = 32 * 1024  # bytes of JSON: a longer result is no part of the next job's parameters, which refer to it


def begin(job: Job) -> list[Job]:
    """Insert the next jobs of a succeeded job, in its transaction. A job that cannot begin is inserted as failed.

    Jobs that exist already stay as they are: a canvas that was frozen once and called twice has the same ids twice.
    """
    return _insert(
        [each for branch in job.then or () if not waits_for_failure(branch) for each in _begun_if_readable(branch, job)]
    )


def begin_errbacks(job: Job) -> list[Job]:
    """Insert the jobs that begin when a job has failed, in its transaction, and those of a chord it counts for."""
    jobs: list[Job] = []
    for branch in job.then or () if isinstance(job.then, list) else ():
        if waits_for_failure(branch):
            jobs += _begun_if_readable(branch, job, str(job.uid))
        elif chord := Chord.objects.filter(uid=branch[-1].get("chord")).first() if len(branch) == 1 else None:
            for each in chord.body[0].get("then", ()):
                jobs += _begun_if_readable(each, job, chord.body[0]["id"]) if waits_for_failure(each) else ()
    return _insert(jobs)


def _insert(jobs: list[Job]) -> list[Job]:
    known = set(Job.objects.filter(uid__in=[each.uid for each in jobs]).values_list("uid", flat=True)) if jobs else ()
    return Job.objects.bulk_create([each for each in jobs if each.uid not in known])


def in_words(then: list[Branch] | None) -> str:
    """Return ``then`` as text for people: "add, then noop and add"."""
    try:
        branches = [
            ("if it fails, " if waits_for_failure(branch) else "")
            + ", then ".join(_named(s) for s in branch if "chord" not in s)
            for branch in then or ()
        ]
        return " and ".join(filter(None, branches))
    except (TypeError, LookupError):
        return "what cannot be read"


def _branch_in_words(branch: Branch) -> str:
    steps = ", then ".join(_named(step) for step in branch if "chord" not in step)
    return f"if it fails, {steps}" if waits_for_failure(branch) else steps


def _named(step: Step) -> str:
    if "join" in step:
        return f"({in_words(step['group'])}), then {in_words([step['join']['body']])}"
    return f"({in_words(step['group'])})" if "group" in step else step["kind"]


def _begun_if_readable(branch: Branch, before: Job, failed: str | None = None) -> list[Job]:
    """What follows, unless it was stored by somebody else and says nothing: the job that succeeded has succeeded.

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
    taken = _what_it_takes(head, result) if "takes" in head else {}
    uid, given = UUID(head["id"]), Params.of(unpack(head["params"]))
    try:
        kind, known = registry.get(head["kind"]), creation.with_values(given, sealing.unseal(head.get("secrets", "")))
        if "takes" in head and size(result) > LONG and not kind.signature.keeps_to(head["takes"]):
            taken = {head["takes"]: reference}
        params = kind.signature.take(taken, known)
        when = due.after(head["countdown"]) if "countdown" in head else None
        when = when or (datetime.fromisoformat(head["due_at"]) if "due_at" in head else None)
        job = creation.build_checked(kind, params, None, head.get("priority"), when, uid, head.get("queue"))
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

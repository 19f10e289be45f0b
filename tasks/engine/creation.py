"""Builds unsaved Job rows from requests: checks parameters and encrypts secrets into their own column."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.apps import apps
from django.utils.crypto import salted_hmac

from tasks.engine import due, registry, routing, sealing
from tasks.engine.bulk_insert import make
from tasks.engine.call_options import OF_THE_CALL, RETRIES, SHADOW
from tasks.engine.errors import Failure, KeyReused
from tasks.engine.models import Chord, Job, State
from tasks.engine.transition import retry_on_lock
from tasks.engine.uid import uuid7
from tasks.engine.visible import in_one_line
from tasks.params.signature import MASK, ParamError, Params, size

# Types of parameters that refer by an id: to results, and to request, error and traceback of a job that has failed.
RESULT_OF, RESULTS_OF = "result of a job", "results of a chord"
FAILURE = ("request of a job", "error of a job", "traceback of a job")
MOST_RESULTS = 16 * 1024 * 1024  # bytes of JSON that the body of a chord can take


@retry_on_lock
def build_job(
    kind: registry.Kind,
    params: Mapping[str, Any],
    owner: Any,
    priority: int | None,
    due_at: datetime | None,
    uid: UUID | None = None,
    queue: str | None = None,
    by: routing.Routes | None = None,
) -> Job:
    """Return an unsaved job of ``kind``. Its secret parameters are encrypted in ``Job.secrets``.

    ``params``: what a form or the API gives, or a call from code (Params), which is held to our own types only.
    """
    clean = kind.signature.take(params) if isinstance(params, Params) else kind.signature.clean(params)
    return build_checked(kind, clean, owner, priority, due_at, uid, queue, by)


def build_checked(
    kind: registry.Kind,
    clean: dict[str, Any],
    owner: Any,
    priority: int | None,
    due_at: datetime | None,
    uid: UUID | None = None,
    queue: str | None = None,
    by: routing.Routes | None = None,
) -> Job:
    """The same, of parameters that were checked already."""
    rows_exist(kind, clean)
    secrets = {name: clean[name] for name in kind.signature.secrets if clean.get(name) is not None}
    made = datetime.now(UTC)
    due_at = due_at and due.at(due_at)
    later = due_at is not None and due_at > made
    shown = with_values(clean, dict.fromkeys(secrets, MASK))
    queue, priority = routing.destination(kind, shown, queue, priority, by)
    job = make(
        uid=uid or uuid7(),
        state=State.SCHEDULED if later else State.QUEUED,
        kind=kind.name,
        queue=queue,
        priority=priority,
        max_attempts=kind.max_attempts,
        params=shown,
        secrets=sealing.seal(secrets) if secrets else "",
        serial_key=kind.serial_key_of(clean),
        title=kind.title_of(clean),
        created_at=made,
        due_at=due_at if later else None,
        rung_at=None if later else made,
    )
    if owner is not None:
        job.owner = owner
    return job


def set_headers(job: Job, headers: dict[str, Any]) -> None:
    """Give a new job its headers, and what they say of its columns: its title, and how often it was tried before."""
    job.failures = headers.pop(RETRIES, 0)
    job.headers = headers
    if shadow := headers.get(SHADOW):
        secrets = sealing.unseal(job.secrets).values() if job.secrets else ()
        job.title = in_one_line(sealing.hide(shadow, [each for each in secrets if isinstance(each, str)])).strip()


def open_params(job: Job) -> tuple[dict[str, Any], list[str]]:
    """Return a claimed job's parameters with its secrets decrypted and results in the place of references, and the
    secret texts to hide from logs."""
    secrets = sealing.unseal(job.secrets) if job.secrets else {}
    return with_values(referred(job.params), secrets), [value for value in secrets.values() if isinstance(value, str)]


def masked(job: Job, params: dict[str, Any]) -> dict[str, Any]:
    """Opened parameters as everybody may read them."""
    sealed = sealing.unseal(job.secrets) if job.secrets else {}
    return with_values(params, {name: job.params.get(name, MASK) for name in sealed})


def changed_columns(job: Job, kind: registry.Kind, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a running job whose next attempt is another call. ``changed``: columns, and ``call`` (Params)."""
    columns = {name: value for name, value in changed.items() if name != "call"}
    if "headers" in columns:
        of_the_call = {name: value for name, value in (job.headers or {}).items() if name in OF_THE_CALL}
        columns["headers"] = of_the_call | columns["headers"]
    if call := changed.get("call"):
        sealed = sealing.unseal(job.secrets) if job.secrets else {}
        opened = {name: sealed[name] for name in sealed.keys() & call.keys() if call[name] == MASK}
        clean = kind.signature.take(with_values(call, opened))
        secrets = {name: clean[name] for name in kind.signature.secrets if clean.get(name) is not None}
        columns["params"] = with_values(clean, dict.fromkeys(secrets, MASK))
        columns["secrets"] = sealing.seal(secrets) if secrets else ""
        columns["title"] = kind.title_of(clean)
    return columns


def referred(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the results of other jobs where they refer to those. LookupError if they are gone."""
    found = {name: value for name, value in params.items() if getattr(value, "type", "") in (RESULT_OF, RESULTS_OF)}
    for name, value in found.items():
        if value.type == RESULTS_OF:
            found[name] = results_of(Chord.objects.get(uid=value))
        else:
            found[name] = followed(value)
    return with_values(params, found) if found else params


def results_of(chord: Chord) -> list[Any]:
    """The results of the jobs that a chord waited for, in their order. LookupError if one of them is gone, ValueError
    if they are more than a process should hold."""
    rows, known, left = Job.objects.filter(uid__in=chord.children, state=State.SUCCEEDED), {}, MOST_RESULTS
    for uid, result in rows.values_list("uid", "result").iterator(chunk_size=200):
        known[uid] = followed(result)
        left -= size(known[uid])
        if left < 0:
            raise ValueError(f"the results that the chord waited for take more than {MOST_RESULTS:,} bytes")
    if len(known) < len({*chord.children}):
        raise LookupError("a job that the chord waited for is gone, and its result with it")
    return [known[UUID(child)] for child in chord.children]


def followed(result: Any) -> Any:
    """A result, or that of the job which it refers to: the one that was put in the place of another."""
    while getattr(result, "type", "") == RESULT_OF:
        result = Job.objects.values_list("result", flat=True).get(uid=result)
    return result


def with_values(params: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with other values for some of them; how the call gave them stays known."""
    both = {**params, **values}
    return Params.of(both, **vars(params)) if isinstance(params, Params) else both


def build_failed_job(kind: str, params: Mapping[str, Any], secrets: str, uid: UUID, error: Exception) -> Job:
    """Return an unsaved, failed job: the next step of a chain whose parameters are invalid.

    It keeps the parameters as they came and the encrypted secrets, so a retry fails too and never runs without them.
    """
    why, now = Failure.of(error), datetime.now(UTC)
    known = registry.find(kind)
    queue = known.queue if known else "default"
    return Job(
        uid=uid,
        state=State.FAILED,
        kind=kind,
        queue=queue,
        max_attempts=1,
        params=params,
        title=registry.title_of(kind, params),
        secrets=secrets,
        error=f"It could not begin: {why.error}",
        error_key=why.key,
        created_at=now,
        finished_at=now,
    )


def find_duplicate(job: Job) -> Job | None:
    """Return the existing job with the same key, slot or uid, or None. KeyReused: the key came with another request."""
    found = Job.objects.select_related("owner")
    if job.idempotency_key and job.owner_id:
        twin = found.filter(owner_id=job.owner_id, idempotency_key=job.idempotency_key).first()
        if twin and twin.idempotency_digest not in map(partial(digest, job.asked), sealing.keys()):
            raise KeyReused("This idempotency key was used for another request.")
        if twin:
            return twin
    if job.schedule and job.slot:
        return found.filter(schedule=job.schedule, slot=job.slot).first()
    return found.filter(uid=job.uid).first()


def asked(job: Job, due_at: datetime | None, params: Mapping[str, Any]) -> str:
    """The request as a text. A repeated idempotency key must come with the same one."""
    given = [job.kind, dict(params), job.priority, str(due_at), job.callback_url, str(job.copy_of)]
    return json.dumps(given, sort_keys=True, default=str)


def digest(text: str, key: str | bytes | None = None) -> str:
    """What the row keeps of such a text, made with SECRET_KEY or with a former one."""
    return salted_hmac("idempotency", text, secret=key, algorithm="sha256").hexdigest()


def rows_exist(kind: registry.Kind, clean: Mapping[str, Any]) -> None:
    """ParamError unless every Ref names a row that is there, by its public id ``uid``."""
    missing: dict[str, list[str]] = {}
    for field in kind.signature.fields:
        if field.model and clean.get(field.name) is not None:
            model = apps.get_model(field.model)
            if not model._default_manager.filter(uid=clean[field.name]).exists():
                missing[field.name] = [f"There is no {model._meta.verbose_name} with this id."]
    if missing:
        raise ParamError(missing)

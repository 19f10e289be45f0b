"""Asking for a job, or for something to be done to one: permission, quota, once-key, audit entry and verb together.

Pages, API, commands and the self test call nothing else. Each function takes an ``Actor``. Each raises ``NotAllowed``
when the table of permissions says no, ``TooMany`` when a quota is used up, and what the lifecycle raises.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from tasks.access import audit, quotas
from tasks.access.permissions import Actor, may, may_make_run, may_submit
from tasks.engine import lifecycle, registry
from tasks.engine.errors import Refused
from tasks.engine.models import Job
from tasks.engine.transition import retry_on_lock

BULK = "bulk_action"  # the kind of the job that carries out a bulk action
LONGEST_KEPT = 200  # characters of an idempotency key that are kept as they are; of a longer one, its digest
VERBS = {"cancel": lifecycle.cancel, "retry": lifecycle.retry, "take_back": lifecycle.take_back}


class NotAllowed(PermissionDenied):
    """The table of permissions does not allow it; the text says what."""


def submit(
    actor: Actor,
    kind: str,
    params: dict[str, Any],
    *,
    key: str | None = None,
    priority: int | None = None,
    due_at: datetime | None = None,
    callback_url: str = "",
    copy_of: Job | None = None,
) -> tuple[Job, bool]:
    """Submit a job for ``actor``. Returns the job, and whether it is new: the same ``key`` gives the same job."""
    known = registry.get(kind)
    if not known.open:
        raise NotAllowed("Only code submits jobs of this kind. SIGNALBOX_ADOPT_SUBMIT opens adopted tasks.")
    if not may_submit(actor, known):
        raise NotAllowed("Jobs of this kind are not yours to make.")
    if (priority is not None or due_at) and not may(actor, "order"):
        raise NotAllowed("Priority and due time are not yours to set.")
    detail = {"kind": known.name} | ({"copy_of": str(copy_of.uid)} if copy_of else {})
    order = {"priority": priority, "due_at": due_at, "callback_url": callback_url, "copy_of": copy_of}
    return _make(actor, "submit", known.name, params, detail, idempotency_key=key, **order)


def bulk(actor: Actor, action: str, filters: dict[str, list[str]], *, key: str | None = None) -> tuple[Job, bool]:
    """Submit the job that does ``action`` to everything that ``filters`` find, on behalf of ``actor``.

    Returns the job, and whether it is new: the same ``key`` gives the same job.
    """
    if not (may(actor, "bulk") and may(actor, action)):
        raise NotAllowed("This bulk action is not yours to take.")
    params = {"action": action, "filter": filters}
    return _make(actor, "bulk", BULK, params, params, idempotency_key=key)


def cancel(actor: Actor, job: Job, reason: str = "") -> Job:
    """Cancel a waiting job, or ask a running one to stop."""
    _must(actor, "cancel", job)
    return audit.do(actor, "cancel", job.uid, lambda: lifecycle.cancel(job.uid, actor.user, reason), reason=reason)


def retry(actor: Actor, job: Job) -> Job:
    """Queue a failed or cancelled job again. This makes it run, so it takes the right to submit its kind too."""
    return _begin_again(actor, "retry", job)


def take_back(actor: Actor, job: Job) -> Job:
    """Undo the cancel of a job that waited. This can make it run, so it takes the right to submit its kind too."""
    return _begin_again(actor, "take_back", job)


@retry_on_lock
def act_on_many(
    action: str,
    jobs: Iterable[Job],
    by: Any = None,
    reason: str = "",
    note: Callable[[list[Job]], Any] | None = None,
) -> int:
    """Do ``action`` to some jobs in one transaction, as part of something that was permitted and audited as a whole.

    Returns how many were done. Jobs that are gone, or in another state by now, are left alone. ``note`` is called with
    those that were done, in the same transaction.
    """
    done: list[Job] = []
    more = {"reason": reason} if action == "cancel" else {}
    with transaction.atomic():
        for job in jobs:
            try:
                VERBS[action](job.uid, by, **more)
                done.append(job)
            except (Refused, Job.DoesNotExist):
                continue
        if note:
            note(done)
    return len(done)


def key_of_form(once: str, *asked: Any) -> str | None:
    """The idempotency key of a form: the same form with the same values is one job, with other values another."""
    if not once:
        return None
    return f"form:{once[:40]}:{hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()}"


def key_of_request(text: str | None) -> str | None:
    """The idempotency key that a client of the API gave."""
    return text and f"api:{text if len(text) <= LONGEST_KEPT else hashlib.sha256(text.encode()).hexdigest()}"


def _make(
    actor: Actor, action: str, kind: str, params: dict[str, Any], detail: dict[str, Any], **order: Any
) -> tuple[Job, bool]:
    try:
        quotas.check(actor)
    except quotas.TooMany:  # what was accepted already is no further job
        key = order.get("idempotency_key")
        if not (key and Job.objects.filter(owner=actor.user, idempotency_key=key).exists()):
            raise
    return audit.do(
        actor,
        action,
        lambda made: made[0].uid,
        lambda: lifecycle.submit(kind, params, owner=actor.user, **order),
        **detail,
    )


def _begin_again(actor: Actor, action: str, job: Job) -> Job:
    _must(actor, action, job)
    if (kind := registry.find(job.kind)) is not None and not may_make_run(actor, kind):
        raise NotAllowed("Jobs of this kind are not yours to make run.")
    return audit.do(actor, action, job.uid, lambda: VERBS[action](job.uid, actor.user))


def _must(actor: Actor, action: str, job: Job) -> None:
    if not may(actor, action, job):
        raise NotAllowed("This is not yours to do to this job.")

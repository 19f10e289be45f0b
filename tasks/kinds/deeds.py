"""What people do on the pages of kinds' own rows: a job that they submit is audited and counts against their quota.

Shared by the pages of the families of kinds.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from tasks.access import audit, quotas
from tasks.access.permissions import Actor
from tasks.engine import lifecycle
from tasks.engine.models import Job


def submitted(request: HttpRequest, kind: str, said: str, **params: Any) -> Job | None:
    """Queue a job for whoever asks, and tell them; None, and told why, if there are too many of theirs already."""
    try:
        quotas.check(Actor.of(request))
    except quotas.TooMany as many:
        messages.error(request, f"{many} Try again in {many.wait_s} s.")
        return None
    job, _ = audit.do(
        request,
        "submit",
        lambda done: done[0].uid,
        lambda: lifecycle.submit(kind, params, owner=request.user),
        kind=kind,
    )
    messages.info(request, said)
    return job

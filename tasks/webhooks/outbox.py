"""The outbox: the deliveries of a move, written in the move's own transaction, so that both are committed or neither.

Called by every verb of tasks.engine.lifecycle that changes a state. Sends nothing: ``sender`` finds the rows.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction
from standardwebhooks import Webhook

from tasks.engine import registry, sealing
from tasks.engine.models import Job, State, instant
from tasks.webhooks.models import Delivery, Endpoint

# The two moves that every job makes ask this in their own UPDATE: with no endpoint to notify, nothing else is written.
NO_SUBSCRIBERS = {
    state: f"NOT EXISTS (SELECT 1 FROM hooks_endpoint AS e WHERE e.enabled AND e.hears_{state})"  # noqa: S608 - constants
    for state in (State.RUNNING, State.SUCCEEDED)
}
_nudge: Callable[[], Any] | None = None


def has_subscribers(state: State) -> bool:
    return Endpoint.objects.filter(enabled=True, **{f"hears_{state}": True}).exists()


def queue_deliveries(jobs: Sequence[Job]) -> None:
    """Write a delivery for each of these moves and each endpoint that wants it. Inside the move's transaction."""
    if not (_anybody() or any(job.callback_url for job in jobs)):
        return
    endpoints = list(Endpoint.objects.filter(enabled=True, callbacks_of__isnull=True))
    rows: list[Delivery] = []
    for job in jobs:
        calls_back = bool(job.callback_url) and job.state in Job.FINAL
        if not (endpoints or calls_back):
            continue
        summary = job.summary()
        wanting = [endpoint for endpoint in endpoints if endpoint.wants(summary, registry.is_chore(job.kind))]
        event = f"job.{job.state}"
        rows += _deliveries(wanting, event, summary, job)
        if calls_back:
            rows += _deliveries([callbacks_of(job.owner_id)], event, summary, job, job.callback_url)
    _write(rows)


def _anybody() -> bool:
    """Whether any endpoint is on. Asked with most moves, and so without the ORM, which takes longer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM hooks_endpoint WHERE enabled)")
        return bool(cursor.fetchone()[0])


def queue_alert_deliveries(event: str, alert: dict[str, Any]) -> None:
    """The same for ``alert.opened`` and ``alert.closed``."""
    wanting = Endpoint.objects.filter(enabled=True, alerts=True, callbacks_of__isnull=True)
    _write(_deliveries(list(wanting), event, alert))


def queue_test_delivery(endpoint: Endpoint) -> Delivery:
    """One delivery that only tests the way to the endpoint."""
    (row,) = _deliveries([endpoint], "webhook.test", {"webhook": str(endpoint.uid)})
    with transaction.atomic():
        _write([row])
    return row


def callbacks_of(owner_id: int | None) -> Endpoint:
    """What signs the callbacks of one person's jobs; made at the first one."""
    return Endpoint.objects.get_or_create(
        callbacks_of="nobody" if owner_id is None else f"user:{owner_id}",
        defaults={"owner_id": owner_id, "url": "", "secret": seal_secret(make_secret())},
    )[0]


def make_secret() -> str:
    """32 random bytes in the notation of Standard Webhooks."""
    return "whsec_" + b64encode(token_bytes(32)).decode()


def seal_secret(secret: str) -> str:
    Webhook(secret)  # raises for what could sign nothing
    return sealing.seal({"secret": secret})


def listen(nudge: Callable[[], Any] | None) -> None:
    """The sender of this process asks to be called at once when this process commits a delivery."""
    global _nudge
    _nudge = nudge


def wake_sender() -> None:
    """Let the sender of this process look, once what was written is committed."""
    transaction.on_commit(lambda: _nudge and _nudge(), robust=True)


def _deliveries(
    endpoints: Sequence[Endpoint], event: str, data: dict[str, Any], job: Job | None = None, url: str = ""
) -> list[Delivery]:
    now = datetime.now(UTC)
    body = json.dumps({"type": event, "timestamp": instant(now), "data": data}, separators=(",", ":"))
    return [
        Delivery(
            endpoint=endpoint,
            lane=lane_of(url, endpoint) if url else str(endpoint.uid),
            url=url,
            event=event,
            job=job and job.uid,
            body=body,
            next_try_at=now,
            created_at=now,
        )
        for endpoint in endpoints
    ]


def lane_of(url: str, endpoint: Endpoint) -> str:
    """Where a callback waits: with the others of its owner to that server, and behind nobody else's."""
    return f"{endpoint.callbacks_of or ''} to {urlsplit(url).netloc.lower()}"[:300]


def owner_of(lane: str) -> str | None:
    """Whose callbacks wait in a lane, such as ``user:7``; None: it is a webhook's."""
    owner, to, _ = lane.partition("to ")
    return owner.strip() if to else None


def _write(rows: list[Delivery]) -> None:
    if rows:
        Delivery.objects.bulk_create(rows, batch_size=500)
        wake_sender()

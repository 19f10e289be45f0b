"""Rows of notifications: which one is to be sent, and how a try went."""

from typing import Any
from uuid import UUID

from django.db import transaction

from tasks.channels.models import Channel, Notification
from tasks.channels.sending import Answer
from tasks.engine import storable
from tasks.engine.models import instant
from tasks.engine.transition import retry_on_lock


def pending(uid: str) -> Notification | None:
    """The notification, unless it was sent or given up already, or is gone."""
    rows = Notification.objects.select_related("channel")
    return rows.filter(uid=UUID(uid), status=Notification.Status.PENDING).first()


@retry_on_lock
def record(row: Notification, answer: Answer, seconds: float, last: bool) -> None:
    """Write how a try went. ``last``: no other one follows a failure."""
    said = storable.text(answer.said, 300)
    tries = [*row.tries, {"at": instant(answer.at), "ok": answer.ok, "said": said, "seconds": round(seconds, 3)}]
    done: dict[str, Any] = {"tries": tries}
    if answer.ok or last:
        status = Notification.Status.SENT if answer.ok else Notification.Status.FAILED
        done |= {"status": status, "finished_at": answer.at}
    with transaction.atomic():
        Notification.objects.filter(pk=row.pk).update(**done)
        newest = Channel.objects.filter(pk=row.channel_id)
        newest.update(last_at=answer.at, last_ok=answer.ok, last_said=said)
    row.tries = tries

"""The kind that sends one notification: a try within ten seconds, and others after growing pauses."""

import time
from datetime import UTC, datetime

from tasks.channels import records, sending
from tasks.channels.sending import Answer
from tasks.engine.sealing import Unsealable
from tasks.worker.task import job

TRIES = 6
UNSEALABLE = "The address was sealed with a SECRET_KEY that is no longer known. Write it again."


class NotDelivered(Exception):
    """The service did not take the message; the text says why, without secrets."""


class GivenUp(Exception):
    """The same, and no other try follows."""


@job(
    queue="chores",
    quiet=True,
    priority=9,
    time_limit=10,
    autoretry_for=(NotDelivered,),
    retry_backoff=5,
    retry_backoff_max=600,
    max_retries=TRIES - 1,
)
def send_notification(notification: str) -> dict[str, str]:
    """Send one message to one channel. A message that was sent already is not sent again."""
    row = records.pending(notification)
    if row is None:
        return {"said": "There was nothing to send."}
    began, last = time.monotonic(), len(row.tries) + 1 >= TRIES
    try:
        answer = sending.send(row.channel.url, row.title, row.body, row.about)
    except Unsealable:
        answer, last = Answer(datetime.now(UTC), False, UNSEALABLE), True
    records.record(row, answer, time.monotonic() - began, last)
    if not answer.ok:
        raise GivenUp(answer.said) if last else NotDelivered(answer.said)
    return {"said": answer.said}

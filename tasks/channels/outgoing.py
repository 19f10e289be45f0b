"""Writes notifications and records how their tries went. Sends nothing: each notification has a job that does."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from tasks.channels import sending
from tasks.channels.models import Channel, Notification
from tasks.channels.tasks import send_notification
from tasks.engine import sealing, storable
from tasks.engine.log_context import mask_secrets
from tasks.engine.transition import retry_on_lock

MOST = 100  # channels
BODY = 4_000  # characters; services cut longer texts, or refuse them


def values_of(url: str) -> dict[str, str]:
    """The columns of a channel with this address. BadChannel with one sentence for one that no channel may have."""
    return {"service": sending.check(url).service[:60], "sealed": sealing.seal({"url": url})}


@retry_on_lock
def notify(channels: Iterable[Channel], title: str, body: str, about: str = "info") -> list[Notification]:
    """Write a notification for each channel, and submit the job that sends it, in one transaction."""
    made = []
    with transaction.atomic():
        for channel in channels:
            row = Notification.objects.create(
                channel=channel,
                about=about,
                title=storable.text(mask_secrets(title), 250),
                body=storable.text(mask_secrets(body), BODY),
                created_at=timezone.now(),
            )
            job = send_notification.apply_async(kwargs={"notification": str(row.uid)})
            row.job = job.id
            Notification.objects.filter(pk=row.pk).update(job=job.id)
            made.append(row)
    return made


def test(channel: Channel, by: str) -> Notification:
    """Send a test message to one channel."""
    (row,) = notify([channel], "Signalbox: test", f"{by} tests the channel {channel.name}. Alerts arrive like this.")
    return row

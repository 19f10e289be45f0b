"""The rows of deliveries: which are due, who takes them, how a try ended, and what becomes of the endpoint.

Every change is a guarded UPDATE: two senders never make the same try, and a late one writes its attempt and nothing
else. Sends nothing itself.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from ipaddress import ip_address
from operator import or_
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q

from tasks.engine import storable
from tasks.engine.errors import Refused
from tasks.engine.transition import found_by, retry_on_lock
from tasks.fetch import addresses
from tasks.webhooks import outbox
from tasks.webhooks.models import Delivery, DeliveryAttempt, Endpoint

MINUTE, HOUR = 60, 3600
# Seconds from a failed try to the next one; the first try is made at once.
PAUSES_S = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR)
JITTER = 0.2
LONGEST = timedelta(days=1)  # that a Retry-After may ask for
LEASE = timedelta(seconds=45)  # after which a try that nobody recorded is taken over: longer than any try lasts
FAILED_FOR = timedelta(days=1)
ROTATION = timedelta(days=1)  # for so long both secrets sign
OPEN = "status IN ('pending', 'sending')"  # the words of the partial index, which a parameter would hide from planners

# One step of the index for each lane, however many deliveries wait in one of them.
DUE_LANES = f"""
WITH RECURSIVE lanes(lane) AS (
  SELECT min(lane) FROM hooks_delivery WHERE {OPEN}
  UNION ALL
  SELECT (SELECT min(lane) FROM hooks_delivery WHERE {OPEN} AND hooks_delivery.lane > lanes.lane)
  FROM lanes WHERE lanes.lane IS NOT NULL
)
SELECT lane FROM (
  SELECT lane, (SELECT min(next_try_at) FROM hooks_delivery WHERE {OPEN} AND hooks_delivery.lane = lanes.lane) AS since
  FROM lanes WHERE lane IS NOT NULL
) AS waiting WHERE since <= %s ORDER BY since
"""  # noqa: S608 - constants
DUE = f"SELECT id FROM hooks_delivery WHERE {OPEN} AND lane = %s AND next_try_at <= %s ORDER BY next_try_at LIMIT %s"  # noqa: S608
TAKE = (
    "UPDATE hooks_delivery SET status = 'sending', tries = tries + 1, next_try_at = %s"  # noqa: S608
    f" WHERE {{}} AND {OPEN} AND next_try_at <= %s RETURNING id"
)


Room = Callable[[Counter[str], str], int]


class NotSent(Refused):
    """A delivery cannot be made again now."""

    code = "conflict"


class Answer(NamedTuple):
    """How a try went: ``code`` of an answer, or ``error``. ``retry_after``: seconds that the other side asks for."""

    at: datetime
    seconds: float
    code: int | None = None
    error: str = ""
    reply: str = ""
    retry_after: float | None = None

    @property
    def arrived(self) -> bool:
        return self.code is not None and 200 <= self.code < 300


def usable_url(url: str) -> str:
    """The address in the form in which it is sent to; ValueError with one sentence for one that never could be."""
    parsed = addresses.parse(url.strip())
    try:
        ip = str(ip_address(parsed.host or ""))
    except ValueError:
        return str(parsed)  # a name: judged at each connection
    if what := addresses.objection(ip, settings.SIGNALBOX_ALLOW_NETWORKS):
        raise addresses.BadAddress(f"{ip} is {what}, which webhooks may not reach.")
    return str(parsed)


@retry_on_lock
def take(busy: Mapping[str, int], room: Room) -> list[Delivery]:
    """Take due deliveries, those of the lane that has waited longest first; endpoints come along.

    ``busy``: how many are under way, by lane. ``room``: how many more of a lane may be, beside those.
    """
    now = datetime.now(UTC)
    clock, dead = (connection.ops.adapt_datetimefield_value(moment) for moment in (now, now + LEASE))
    with connection.cursor() as cursor:
        cursor.execute(DUE_LANES, [clock])
        lanes = [lane for (lane,) in cursor.fetchall()]
    under_way = Counter(busy)
    if not any(room(under_way, lane) > 0 for lane in lanes):
        return []
    taken: list[int] = []
    with transaction.atomic(), connection.cursor() as cursor:
        for lane in lanes:
            if (most := room(under_way, lane)) > 0:
                cursor.execute(TAKE.format(found_by(DUE)), [dead, lane, clock, most, clock])
                found = [pk for (pk,) in cursor.fetchall()]
                under_way[lane] += len(found)
                taken += found
    rows = list(Delivery.objects.select_related("endpoint").filter(pk__in=taken).order_by("id"))
    if late := [row.pk for row in rows if not row.endpoint.enabled]:  # written as their endpoint was switched off
        Delivery.objects.filter(pk__in=late).update(**_dropped(now))
    return [row for row in rows if row.endpoint.enabled]


@retry_on_lock
def record_all(ended: Sequence[tuple[Delivery, Answer]]) -> None:
    """Write how tries of deliveries that were taken went, and what follows from that. Again is no error."""
    now = datetime.now(UTC)
    with transaction.atomic():
        # One statement for all that arrived; what was deleted with its endpoint, or taken over, stays as it is.
        there = set(Delivery.objects.filter(pk__in=[row.pk for row, _ in ended]).values_list("pk", flat=True))
        ended = [(row, answer) for row, answer in ended if row.pk in there]
        DeliveryAttempt.objects.bulk_create([_attempt(*each) for each in ended], ignore_conflicts=True)
        if arrived := [row for row, answer in ended if answer.arrived]:
            held = Delivery.objects.filter(_any_of(arrived), status=Delivery.Status.SENDING)
            held.update(status=Delivery.Status.DELIVERED, finished_at=now, next_try_at=None)
            well = {row.endpoint_id for row in arrived}
            Endpoint.objects.filter(pk__in=well, failing_since__isnull=False).update(failing_since=None)
        for row, answer in ended:
            if not answer.arrived:
                _record_failure(row, answer, now)


def _record_failure(row: Delivery, answer: Answer, now: datetime) -> None:
    held = Delivery.objects.filter(pk=row.pk, tries=row.tries, status=Delivery.Status.SENDING)
    pause = None if answer.code == 410 else pause_after(row.tries - row.tries_before, answer.retry_after)
    if pause is None:
        held.update(status=Delivery.Status.FAILED, finished_at=now, next_try_at=None)
    else:
        held.update(status=Delivery.Status.PENDING, next_try_at=now + pause)
    if row.endpoint.callbacks_of is None:
        _note_failure(row.endpoint, answer, now)


def _attempt(row: Delivery, answer: Answer) -> DeliveryAttempt:
    return DeliveryAttempt(
        delivery=row,
        number=row.tries,
        at=answer.at,
        seconds=answer.seconds,
        code=answer.code,
        error=storable.text(answer.error, 300),
        reply=storable.text(answer.reply, 500),
    )


def _any_of(rows: Sequence[Delivery]) -> Q:
    """The rows that are still at the try at which they were taken."""
    by_tries: dict[int, list[int]] = {}
    for row in rows:
        by_tries.setdefault(row.tries, []).append(row.pk)
    return reduce(or_, (Q(tries=tries, pk__in=pks) for tries, pks in by_tries.items()))


def pause_after(tries: int, retry_after: float | None = None) -> timedelta | None:
    """How long to wait after so many failed tries; None: that was the last one."""
    if tries > len(PAUSES_S):
        return None
    pause = PAUSES_S[tries - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311 - not a secret
    return min(timedelta(seconds=max(pause, retry_after or 0)), LONGEST)


@retry_on_lock
def replay(uid: UUID) -> Delivery:
    """Send a delivery again, now, under its old id; the schedule of tries begins again. DoesNotExist, NotSent."""
    delivery = Delivery.objects.select_related("endpoint").get(uid=uid)
    if not delivery.endpoint.enabled:
        raise NotSent("The webhook is off.")
    again = {"next_try_at": datetime.now(UTC), "finished_at": None, "tries_before": F("tries")}
    still = Delivery.objects.filter(pk=delivery.pk).exclude(status=Delivery.Status.SENDING)
    with transaction.atomic():
        if not still.update(status=Delivery.Status.PENDING, **again):
            raise NotSent("This delivery is being sent right now.")
        outbox.wake_sender()
    delivery.refresh_from_db()
    return delivery


@retry_on_lock
def rotate(endpoint: Endpoint) -> str:
    """A new secret, returned this once; for a day the old one signs as well."""
    fresh = outbox.make_secret()
    with transaction.atomic():
        old = {"old_secret": F("secret"), "old_until": datetime.now(UTC) + ROTATION}
        Endpoint.objects.filter(pk=endpoint.pk).update(secret=outbox.seal_secret(fresh), **old)
    endpoint.refresh_from_db()
    return fresh


@retry_on_lock
def switch(endpoint: Endpoint, on: bool, because: str = "") -> bool:
    """Switch an endpoint on or off; off drops what waits for it. False: it was so already."""
    changed: dict[str, Any] = {"enabled": on, "off_because": because, "failing_since": None}
    with transaction.atomic():
        if not Endpoint.objects.filter(pk=endpoint.pk, enabled=not on).update(**changed):
            return False
        if not on:
            waiting = Delivery.objects.filter(endpoint=endpoint, status=Delivery.Status.PENDING)
            waiting.update(**_dropped(datetime.now(UTC)))
    for name, value in changed.items():
        setattr(endpoint, name, value)
    return True


def _note_failure(endpoint: Endpoint, answer: Answer, now: datetime) -> None:
    row = Endpoint.objects.filter(pk=endpoint.pk, enabled=True)
    row.filter(failing_since__isnull=True).update(failing_since=now)
    if answer.code == 410:
        because = "It answered 410 Gone."
    elif row.filter(failing_since__lte=now - FAILED_FOR).exists():
        because = "No delivery succeeded for 24 h."
    else:
        return
    switch(endpoint, False, because)


def _dropped(now: datetime) -> dict[str, Any]:
    return {"status": Delivery.Status.DROPPED, "finished_at": now, "next_try_at": None}

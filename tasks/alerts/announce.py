"""Messages to people: one for each rule, about all of its alerts that opened, closed or went on since the last message.

Every worker and beat may run this at once. The process whose guarded UPDATE moves ``Rule.said_at`` writes the message,
in the same transaction; the others write nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from tasks.alerts.findings import roughly
from tasks.alerts.models import Alert, Rule, Watch
from tasks.channels import outgoing
from tasks.engine.transition import retry_on_lock

LINES = 20  # alerts that one message names


def announce(rules: Iterable[Rule], now: datetime) -> None:
    """Send what is due of these rules, of which each knows whether it ``has_channels``.

    Quiet hours hold messages back: what is still open afterwards is sent.
    """
    for rule in rules:
        if not rule.has_channels or rule.muted or rule.is_quiet(now):
            continue
        if rule.said_at and rule.group_s and now - rule.said_at < timedelta(seconds=rule.group_s):
            continue
        if due(rule, now).exists():
            _say(rule, now)


def due(rule: Rule, now: datetime) -> QuerySet[Alert]:
    """The alerts of a rule about which something is to be said."""
    awake = Q(snoozed_until=None) | Q(snoozed_until__lte=now)
    fresh = Q(closed_at=None, said_at=None, dismissed_at=None)
    over = Q(closed_at__isnull=False, said_at__isnull=False, said_closed=False)
    wanted = (awake & fresh) | over
    if rule.repeat_s:
        last = now - timedelta(seconds=rule.repeat_s)
        wanted |= awake & Q(closed_at=None, said_at__lte=last, dismissed_at=None)
    return Alert.objects.filter(wanted, rule=rule)


@retry_on_lock
def _say(rule: Rule, now: datetime) -> bool:
    with transaction.atomic():
        if not Rule.objects.filter(pk=rule.pk, said_at=rule.said_at).update(said_at=now):
            return False
        alerts = list(due(rule, now).order_by("opened_at", "id"))
        if not alerts:
            return False
        title, body = text_of(alerts)
        about = "failure" if any(alert.closed_at is None for alert in alerts) else "success"
        outgoing.notify(rule.channels.all(), title, body, about)
        for alert in alerts:
            said = {"said_at": now, "said_figure": alert.figure, "said_closed": alert.closed_at is not None}
            Alert.objects.filter(pk=alert.pk).update(**said)
    return True


def text_of(alerts: list[Alert]) -> tuple[str, str]:
    """The title and the text of one message: each alert with its figure of now, what changed, and where to look."""
    is_open = [alert for alert in alerts if alert.closed_at is None]
    first = (is_open or alerts)[0]
    name = f"{settings.SIGNALBOX_ENVIRONMENT}: " if settings.SIGNALBOX_ENVIRONMENT else ""
    if len(alerts) == 1:
        title = first.sentence if is_open else f"Over: {first.sentence}"
    else:
        closed = len(alerts) - len(is_open)
        title = f"{len(is_open)} open{f', {closed} closed' if closed else ''}: {first.sentence}"
    blocks = [line_of(alert) for alert in alerts[:LINES]]
    if len(alerts) > LINES:
        blocks.append(f"And {len(alerts) - LINES} more.")
    if url := outside(address("alerts")):
        blocks.append(f"All alerts: {url}")
    return name + title, "\n\n".join(blocks)


def line_of(alert: Alert) -> str:
    """One alert as text: the sentence of now, what changed since the last message, and a link."""
    since = f"{alert.opened_at:%H:%M} UTC"
    if alert.closed_at is not None:
        lasted = roughly((alert.closed_at - alert.opened_at).total_seconds())
        change = f"Over at {alert.closed_at:%H:%M} UTC, after {lasted}{_peak(alert)}."
    elif alert.said_at is None:
        change = f"Open since {since}."
    else:
        change = f"Still open, since {since}{_change(alert)}."
    url = outside(address_of(alert))
    return "\n".join(part for part in (alert.sentence, change, url) if part)


def _peak(alert: Alert) -> str:
    return f"; at most {_figure(alert, alert.peak)}" if alert.peak is not None else ""


def _change(alert: Alert) -> str:
    if alert.figure is None or alert.said_figure is None:
        return ""
    if alert.figure == alert.said_figure:
        return "; unchanged"
    return f"; was {_figure(alert, alert.said_figure)} in the last message"


def _figure(alert: Alert, figure: float | None) -> str:
    return roughly(figure or 0) if alert.about == Watch.WAITING else f"{figure:,.0f}"


def address_of(alert: Alert) -> str:
    """Where to look at what an alert is about."""
    subject = f'"{alert.subject}"' if " " in alert.subject else alert.subject
    match alert.about:
        case Watch.FAILURES:
            return address("jobs", q=f"state:failed kind:{subject}")
        case Watch.WAITING:
            return address("jobs", q=f"state:queued queue:{subject}")
        case Watch.WORKER:
            return address("workers")
        case Watch.SCHEDULE:
            return address("schedules")
    return address("alerts")


def address(name: str, **query: str) -> str:
    return f"{reverse(name)}{'?' if query else ''}{urlencode(query)}"


def outside(path: str) -> str:
    """An address of ours from outside; empty while SIGNALBOX_URL is not set."""
    return settings.SIGNALBOX_URL and settings.SIGNALBOX_URL + path.removeprefix(settings.PREFIX)

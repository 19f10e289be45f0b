"""Opens an alert for each condition that a rule finds, and closes it when the condition is over.

The sweeps of workers and every beat call this, side by side. One alert of a key is open at a time, and opening and
closing are guarded, so each happens once.
"""

from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from tasks.alerts import announce, findings
from tasks.alerts.findings import WEBHOOK, Finding
from tasks.alerts.models import Alert, Pending, Rule
from tasks.engine.readable import complain
from tasks.engine.transition import retry_on_lock
from tasks.webhooks import outbox

SHOWN = 20  # open alerts on a page


def evaluate() -> None:
    """Look once at everything that the rules watch, and tell people what changed."""
    close_old_connections()
    now = timezone.now()
    channels = Rule.channels.through.objects.filter(rule=OuterRef("pk"))
    rules = list(Rule.objects.filter(enabled=True).annotate(has_channels=Exists(channels)))
    standing: dict[str, Alert] = {
        alert.key: alert for alert in Alert.objects.filter(closed_at=None).select_related("rule")
    }
    pending = dict(Pending.objects.values_list("key", "since"))
    found: set[str] = set()
    for rule in rules:
        try:
            subjects = findings.find(rule, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # a rule that somebody else wrote stops no other, and closes nothing
            complain(Rule, rule.pk, error)
            found.update(key for key in (*standing, *pending) if key.startswith(f"{rule.uid}:"))
            continue
        for subject, finding in subjects.items():
            key = f"{rule.uid}:{subject}"[:300]
            if key in standing:
                found.add(key)
                keep_open(standing[key], finding)
            elif finding.figure is None or finding.figure > rule.limit:
                found.add(key)
                if held_long_enough(key, rule, pending, now):
                    open_alert(key, rule.watch, finding.name, finding.sentence, rule, finding.figure)
    for key, finding in findings.webhooks_off().items():
        found.add(key)
        if key not in standing:
            open_alert(key, WEBHOOK, finding.name, finding.sentence)
    for key, alert in standing.items():
        if key not in found:
            close_when_well(alert, now)
    if over := pending.keys() - found:
        Pending.objects.filter(key__in=over).delete()
    announce.announce(rules, now)


def held_long_enough(key: str, rule: Rule, pending: dict[str, datetime], now: datetime) -> bool:
    """Whether the condition has held for as long as its rule says; the first look begins to count."""
    if not rule.for_s:
        return True
    if key not in pending:
        Pending.objects.bulk_create([Pending(key=key, since=now)], ignore_conflicts=True)
        return False
    return now - pending[key] >= timedelta(seconds=rule.for_s)


@retry_on_lock
def open_alert(
    key: str, about: str, subject: str, sentence: str, rule: Rule | None = None, figure: float | None = None
) -> bool:
    """Open an alert; False when one of this key is open already. It is snoozed as the one before it was."""
    now = timezone.now()
    row = Alert(
        key=key,
        rule=rule,
        about=about,
        subject=subject[:200],
        sentence=sentence[:500],
        figure=figure,
        peak=figure,
        opened_at=now,
    )
    with transaction.atomic():
        snoozed = Alert.objects.filter(key=key, snoozed_until__gt=now).order_by("-snoozed_until").first()
        row.snoozed_until = snoozed and snoozed.snoozed_until
        Alert.objects.bulk_create([row], ignore_conflicts=True)
        if not Alert.objects.filter(uid=row.uid).exists():
            return False
        Pending.objects.filter(key=key).delete()
        outbox.queue_alert_deliveries("alert.opened", row.to_dict())
    return True


def keep_open(alert: Alert, finding: Finding) -> None:
    """Write the present figure, if it changes the sentence, and that the condition still holds."""
    changed: dict[str, object] = {}
    if alert.sentence != finding.sentence[:500]:
        peak = max((each for each in (alert.peak, finding.figure) if each is not None), default=None)
        changed = {"sentence": finding.sentence[:500], "figure": finding.figure, "peak": peak}
    if alert.well_since is not None:
        changed["well_since"] = None
    if changed:
        Alert.objects.filter(pk=alert.pk, closed_at=None).update(**changed)


def close_when_well(alert: Alert, now: datetime) -> None:
    """Close an alert whose cause is over, once it has been over for as long as its rule says."""
    wait = timedelta(seconds=alert.rule.close_after_s if alert.rule and alert.rule.enabled else 0)
    if wait and alert.well_since is None:
        Alert.objects.filter(pk=alert.pk, closed_at=None, well_since=None).update(well_since=now)
    elif not wait or now - alert.well_since >= wait:
        close_alert(alert)


@retry_on_lock
def close_alert(alert: Alert) -> bool:
    """Close an alert that is over; False when somebody else did."""
    now = timezone.now()
    with transaction.atomic():
        if not Alert.objects.filter(pk=alert.pk, closed_at=None).update(closed_at=now):
            return False
        alert.closed_at = now
        outbox.queue_alert_deliveries("alert.closed", alert.to_dict())
    return True


def dismiss(alert: Alert, by: str) -> None:
    """Take it from the pages. It closes, and can open again, when it is over."""
    Alert.objects.filter(pk=alert.pk, dismissed_at=None).update(dismissed_at=timezone.now(), dismissed_by=by[:150])


def snooze(alert: Alert, minutes: int) -> None:
    """Hide it from the pages, and send no message about it or the next alert of its key, for so long. 0 ends that."""
    until = timezone.now() + timedelta(minutes=minutes) if minutes else None
    Alert.objects.filter(pk=alert.pk).update(snoozed_until=until)


def open_alerts() -> list[Alert]:
    """What the pages show: open, neither dismissed nor snoozed, the oldest first."""
    awake = Q(snoozed_until=None) | Q(snoozed_until__lte=timezone.now())
    rows = Alert.objects.filter(awake, closed_at=None, dismissed_at=None).select_related("rule")
    return list(rows.order_by("opened_at", "id")[:SHOWN])

"""Alerts: what the rules find is opened once and closed when it is over; pages show it, webhooks are told.

Evaluated by every worker's sweep and by every beat, side by side: of one key one alert is open at a time, and opening
and closing are guarded, so each is told once. Reads only, but for its own rows.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.db.models import Count
from django.utils import timezone

from tasks.alerts.models import Alert, Rule, Watch
from tasks.engine.models import Ending, State, Worker
from tasks.engine.readable import complain, readable
from tasks.engine.transition import retry_on_lock
from tasks.engine.words import number_of
from tasks.queries import board
from tasks.schedules.models import Run, Schedule
from tasks.web.templatetags.signalbox import rough
from tasks.webhooks import outbox
from tasks.webhooks.models import Endpoint

SHOWN = 20  # open alerts on a page
FORGOTTEN = timedelta(days=1)  # a worker that has been lost for so long is history
WEBHOOK = "webhook"


def evaluate() -> None:
    """Look once at everything that the rules watch."""
    close_old_connections()
    now = timezone.now()
    rules = list(Rule.objects.filter(enabled=True))
    standing: dict[str, Alert] = {
        alert.key: alert for alert in Alert.objects.filter(closed_at=None).select_related("rule")
    }
    found: set[str] = set()
    for rule in rules:
        try:
            subjects = FINDERS[rule.watch](rule, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # a rule that somebody else wrote stops no other, and closes nothing
            complain(Rule, rule.pk, error)
            found.update(key for key in standing if key.startswith(f"{rule.uid}:"))
            continue
        for subject, (name, sentence) in subjects.items():
            key = f"{rule.uid}:{subject}"[:300]
            found.add(key)
            if key not in standing:
                open_alert(key, rule.watch, name, sentence, rule)
    for key, (name, sentence) in _webhooks_off().items():
        found.add(key)
        if key not in standing:
            open_alert(key, WEBHOOK, name, sentence)
    for key, alert in standing.items():
        if key not in found:
            close_alert(alert)


@retry_on_lock
def open_alert(key: str, about: str, subject: str, sentence: str, rule: Rule | None = None) -> bool:
    """Open an alert; False when one of this key is open already."""
    row = Alert(
        key=key, rule=rule, about=about, subject=subject[:200], sentence=sentence[:500], opened_at=timezone.now()
    )
    with transaction.atomic():
        Alert.objects.bulk_create([row], ignore_conflicts=True)
        if not Alert.objects.filter(uid=row.uid).exists():
            return False
        outbox.queue_alert_deliveries("alert.opened", row.to_dict())
    return True


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


def open_alerts() -> list[Alert]:
    """What the pages show: open and not dismissed, the oldest first."""
    rows = Alert.objects.filter(closed_at=None, dismissed_at=None).select_related("rule")
    return list(rows.order_by("opened_at", "id")[:SHOWN])


# --- what the rules look at ------------------------------------------------------------------------------------

Found = dict[str, tuple[str, str]]  # what keeps alerts apart → (subject, sentence)


def _failures(rule: Rule, now: datetime) -> Found:
    failed = Ending.objects.filter(state=State.FAILED, at__gte=now - timedelta(minutes=rule.minutes))
    if rule.kind:
        failed = failed.filter(kind=rule.kind)
    counts = failed.order_by().values_list("kind").annotate(n=Count("id")).filter(n__gt=rule.times)
    return {
        kind: (kind, f"{kind}: {number_of(n, 'failure')} in {rule.minutes} min (limit {rule.times})")
        for kind, n in counts
    }


def _waiting(rule: Rule, now: datetime) -> Found:
    """By what the page of queues says of them."""
    found: Found = {}
    for queue in board.queues():
        name, waited = queue["name"], queue["oldest_s"]
        if waited is not None and waited > rule.seconds and rule.queue in ("", name):
            paused = " (paused)" * queue["paused"]
            found[name] = name, f"Queue {name}: oldest job waiting {rough(waited)}{paused}"
    return found


def _workers(rule: Rule, now: datetime) -> Found:
    silent = now - timedelta(seconds=settings.SIGNALBOX_LEASE_S)
    lost = Worker.objects.filter(stopped_at=None, seen_at__lt=silent, seen_at__gt=now - FORGOTTEN)
    return {
        row.name: (row.name, f"Worker {row.name} lost: no heartbeat since {row.seen_at:%H:%M:%S} UTC") for row in lost
    }


def _schedules(rule: Rule, now: datetime) -> Found:
    rows = Schedule.objects.filter(periodic__enabled=True).select_related(
        "periodic__interval", "periodic__crontab", "periodic__clocked"
    )
    found: Found = {}
    for row in readable(rows):
        if rule.schedule and row.uid != rule.schedule:
            continue
        since = row.waiting_since
        newest = row.runs.first()
        if since is not None and now - since > timedelta(seconds=rule.seconds):
            found[str(row.uid)] = (str(row), f"Schedule {row} is late: due at {since:%H:%M:%S} UTC")
        elif newest is not None and newest.outcome == Run.Outcome.MISSED:
            found[str(row.uid)] = (str(row), f"Schedule {row} missed {number_of(newest.count, 'run')}")
        elif newest is not None and newest.outcome == Run.Outcome.REFUSED:
            found[str(row.uid)] = (str(row), f"Schedule {row} could not start its job: {newest.note}")
    return found


def _webhooks_off() -> dict[str, tuple[str, str]]:
    """Endpoints that were switched off for their failures: key → (subject, sentence). No rule is needed for these."""
    rows = Endpoint.objects.filter(enabled=False).exclude(off_because="")
    return {f"{WEBHOOK}:{row.uid}": (str(row), f"Webhook {row} was switched off: {row.off_because}") for row in rows}


FINDERS = {
    Watch.FAILURES: _failures,
    Watch.WAITING: _waiting,
    Watch.WORKER: _workers,
    Watch.SCHEDULE: _schedules,
}

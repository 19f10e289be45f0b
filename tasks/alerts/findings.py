"""What the rules look at: each function reads what one sort of rule watches, and returns the subjects it finds."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, OuterRef, QuerySet, Subquery

from tasks.alerts.models import Rule, Watch
from tasks.engine import applications, storable
from tasks.engine.models import Ending, Job, State, Worker
from tasks.engine.readable import readable
from tasks.engine.words import number_of
from tasks.observe.models import WatchedWorker
from tasks.queries import board
from tasks.schedules.models import Run, Schedule
from tasks.webhooks.models import Endpoint

FORGOTTEN = timedelta(days=1)  # a worker that has been lost for so long is history
SENDING = "send_notification"  # an alert about its failures would send more notifications
WEBHOOK = "webhook"


class Finding(NamedTuple):
    """``figure``: what is compared with the rule's limit; None: it is wrong, and there is no figure."""

    name: str
    sentence: str
    figure: float | None = None


Found = dict[str, Finding]  # by what keeps alerts apart


def find(rule: Rule, now: datetime) -> Found:
    """All subjects whose figure is above the rule's ``floor``, which may be lower than its limit."""
    return FINDERS[rule.watch](rule, now)


def _failures(rule: Rule, now: datetime) -> Found:
    since, choice = now - timedelta(minutes=rule.minutes), storable.texts(rule.apps)
    sources: list[tuple[str, QuerySet[Any]]] = []  # the column of the application, and the failures
    if applications.includes(choice, None):
        sources.append(("job__app", Ending.objects.filter(state=State.FAILED, at__gte=since, job__app="")))
    if named := _watched(choice):
        failed = Job.every.filter(app__in=named, state=State.FAILED, finished_at__gte=since)
        sources.append(("app", failed))
    found: Found = {}
    for app, failed in sources:
        failed = failed.filter(kind=rule.kind) if rule.kind else failed.exclude(kind=SENDING)
        counts = failed.order_by().values_list(app, "kind").annotate(n=Count("id")).filter(n__gt=rule.floor)
        for name, kind, n in counts:
            about = f"{kind} of {name}" if name else kind
            sentence = f"{about}: {number_of(n, 'failure')} in {rule.minutes} min (limit {rule.times})"
            found[f"{name}:{kind}" if name else kind] = Finding(kind, sentence, n)
    return found


def _watched(choice: list[str]) -> list[str]:
    """The watched applications that a rule is for."""
    return [name for name in board.watched() if applications.includes(choice, name)] if choice else []


def _waiting(rule: Rule, now: datetime) -> Found:
    """By what the page of queues says of them."""
    found: Found = {}
    choice = storable.texts(rule.apps)
    queues = board.queues() if applications.includes(choice, None) else []
    for queue in [*queues, *board.waiting_of(_watched(choice))]:
        name, waited = queue["name"], queue["oldest_s"]
        if waited is not None and waited > rule.floor and rule.queue in ("", name):
            paused = " (paused)" * queue["paused"]
            found[name] = Finding(name, f"Queue {name}: oldest job waiting {roughly(waited)}{paused}", waited)
    return found


def roughly(seconds: float) -> str:
    """A length of time in one unit, so that a sentence does not change at each look: 45 s, 7 min, 3 h."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds < 10 else f"{seconds // 5 * 5:.0f} s"
    return f"{seconds // 60:.0f} min" if seconds < 7_200 else f"{seconds // 3_600:.0f} h"


def _workers(rule: Rule, now: datetime) -> Found:
    silent = now - timedelta(seconds=settings.SIGNALBOX_LEASE_S)
    choice, late = (
        storable.texts(rule.apps),
        {"stopped_at": None, "seen_at__lt": silent, "seen_at__gt": now - FORGOTTEN},
    )
    lost: list[tuple[str, datetime]] = []
    if applications.includes(choice, None):
        lost += Worker.objects.filter(**late).values_list("name", "seen_at")
    if named := _watched(choice):
        rows = WatchedWorker.objects.filter(app__name__in=named, app__watched=True, silent_since__isnull=False, **late)
        lost += [(f"{app}:{name}", seen) for app, name, seen in rows.values_list("app__name", "name", "seen_at")]
    return {name: Finding(name, f"Worker {name} lost: no heartbeat since {seen:%H:%M:%S} UTC") for name, seen in lost}


def _schedules(rule: Rule, now: datetime) -> Found:
    rows = Schedule.objects.filter(periodic__enabled=True).select_related(
        "periodic__interval", "periodic__crontab", "periodic__clocked"
    )
    if rule.schedule:
        rows = rows.filter(uid=rule.schedule)
    newest = Run.objects.filter(schedule=OuterRef("pk")).order_by(*Run._meta.ordering)
    last = {f"last_{name}": Subquery(newest.values(name)[:1]) for name in ("outcome", "count", "note")}
    found: Found = {}
    for row in readable(rows.annotate(**last)):
        since = row.waiting_since
        if since is not None and now - since > timedelta(seconds=rule.seconds):
            found[str(row.uid)] = Finding(str(row), f"Schedule {row} is late: due at {since:%H:%M:%S} UTC")
        elif row.last_outcome == Run.Outcome.MISSED:
            found[str(row.uid)] = Finding(str(row), f"Schedule {row} missed {number_of(row.last_count, 'run')}")
        elif row.last_outcome == Run.Outcome.REFUSED:
            found[str(row.uid)] = Finding(str(row), f"Schedule {row} could not start its job: {row.last_note}")
    return found


def webhooks_off() -> Found:
    """Endpoints that were switched off for their failures. No rule is needed for these."""
    rows = Endpoint.objects.filter(enabled=False).exclude(off_because="")
    return {
        f"{WEBHOOK}:{row.uid}": Finding(str(row), f"Webhook {row} was switched off: {row.off_because}") for row in rows
    }


FINDERS = {
    Watch.FAILURES: _failures,
    Watch.WAITING: _waiting,
    Watch.WORKER: _workers,
    Watch.SCHEDULE: _schedules,
}

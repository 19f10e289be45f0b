"""Bulk actions: cancel, try again or take back everything that a search finds, counted beforehand, done by a job.

Owns which jobs an action is for. The job that does it is ``bulk_action`` of ``tasks.kinds.chores``.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, F, QuerySet

from tasks.access import actions
from tasks.access.permissions import Actor, may, may_make_run, visible
from tasks.engine import registry
from tasks.engine.applications import OWN
from tasks.engine.errors import Refused
from tasks.engine.models import Job, State
from tasks.observe import asking
from tasks.search import finder
from tasks.search.language import EVERY_APP, Query, SearchError, taken_for_words
from tasks.search.models import BulkPart

ACTIONS = ("cancel", "retry", "take_back")
WORDS = {"cancel": "Cancel", "retry": "Retry", "take_back": "Undo cancel"}
DOING = {"cancel": "Cancelling", "retry": "Retrying", "take_back": "Undoing the cancel of"}
STATES = {
    "cancel": Job.LIVE,
    "retry": frozenset({State.FAILED, State.CANCELLED}),
    "take_back": frozenset({State.CANCELLED}),
}
TOGETHER = 50  # jobs in one transaction: a commit for each would be most of the time
BREATH_S = 0.01  # between two of them: on SQLite the next writer takes its turn
MOST_COUNTED = 10  # times the budget of a search


class Step(NamedTuple):
    """How far an action has come: jobs done so far, and refused, because they moved on meanwhile."""

    done: int
    refused: int


def clean_filters(filters: Mapping[str, Any]) -> dict[str, list[str]]:
    """A filter as given in JSON, ``{"state": "failed", "kind": ["noop"]}``, as lists. Raises SearchError."""
    lists = {str(name): value if isinstance(value, list) else [value] for name, value in filters.items()}
    for name, values in lists.items():
        if not values or not all(isinstance(value, str) and value for value in values):
            raise SearchError(**{name[:40]: f"{name[:40]}: takes a text or a list of texts."})
    if not lists:
        raise SearchError(filter="Give at least one filter, such as a state.")
    return lists


def query_for(action: str, filters: Mapping[str, list[str]], me: str, now: datetime | None = None) -> Query:
    """The search, narrowed to the states that the action is for. Ages count back from ``now``."""
    if unsure := taken_for_words(" ".join(filters.get("q", ()))):  # what acts on jobs guesses nothing
        raise SearchError(q=" ".join(unsure))
    query = Query.of(filters, me, now)
    if said := why_not(action, query):
        raise SearchError(app=said)
    return narrow_to_action(action, query)


def why_not(action: str, query: Query) -> str:
    """Why an action can be done to nothing that a search means, whatever there is; empty if it can."""
    named = [apps for apps in query.app if not apps & {OWN, EVERY_APP}]
    return "" if action == "cancel" or not named else f"{WORDS[action]} is for our own jobs: leave app: out."


def narrow_to_action(action: str, query: Query) -> Query:
    return Query(**{**query.__dict__, "state": (STATES[action], *query.state)})


def allowed(who: Any, action: str) -> QuerySet[Job]:
    """The jobs that somebody may do it to. What makes a job run takes the right to submit that kind.

    Tasks of watched applications are cancelled where a search names them, and nothing else is done to them.
    """
    jobs = visible(who, Job.every.all() if action == "cancel" else Job.objects.all(), action)
    if action == "take_back":
        jobs = jobs.filter(finished_at=F("cancel_requested_at"))  # of a job that waited: docs/decisions/take-back.md
    if action != "cancel":
        jobs = jobs.exclude(kind__in=[kind.name for kind in registry.kinds() if not may_make_run(who, kind)])
    return jobs


def count(who: Any, action: str, query: Query) -> tuple[int, bool]:
    """How many jobs the action would be for, and whether that is exact: counting stops at 200,000 rows."""
    jobs, found, older = allowed(who, action), 0, None
    for _ in range(MOST_COUNTED):
        window, edge = finder.window(query, jobs if older is None else jobs.filter(pk__lt=older))
        found += window.count()
        if edge is None:
            return found, True
        older = edge
    return found, False


def act(bulk: Job, action: str, query: Query) -> Iterator[Step]:
    """Do it, on behalf of the owner of the bulk job, whose rights are looked at again for every step.

    Jobs that ended after the bulk job was asked for are left alone, so that a second attempt tries nothing twice.
    """
    jobs = allowed(bulk.owner, action).filter(created_at__lte=bulk.created_at).exclude(pk=bulk.pk)
    if action != "cancel":
        jobs = jobs.filter(finished_at__lte=bulk.created_at)
    done = refused = 0
    for found in finder.walk(query, jobs):
        actor = Actor.of(Job.objects.select_related("owner").get(pk=bulk.pk).owner)
        if not (may(actor, "bulk") and may(actor, action)):
            raise actions.NotAllowed("The owner of this job may not do that any more.")
        for begin in range(0, len(found), TOGETHER):
            together = found[begin : begin + TOGETHER]
            ours, reason = [job for job in together if not job.app], finder.by_bulk(bulk.uid)
            acted = actions.act_on_many(action, reversed(ours), actor.user, reason, note=partial(remember, bulk.uid))
            acted += ask_to_cancel(bulk.uid, actor, [job for job in together if job.app], reason)
            done += acted
            refused += len(together) - acted
            yield Step(done, refused)
            time.sleep(BREATH_S)
        yield Step(done, refused)


def ask_to_cancel(bulk: UUID, actor: Actor, tasks: list[Job], reason: str) -> int:
    """Have watched tasks cancelled by their own applications; of how many that could be asked."""
    done: list[Job] = []
    for task in tasks:
        try:
            asking.cancel(actor, task, reason, terminate=task.state == State.RUNNING)
            done.append(task)
        except Refused:
            continue
    remember(bulk, done)
    return len(done)


def remember(bulk: UUID, jobs: list[Job]) -> None:
    """Note that the bulk action has changed these jobs."""
    BulkPart.objects.bulk_create([BulkPart(bulk=bulk, job=job) for job in jobs], ignore_conflicts=True)


def outcome(bulk: UUID) -> list[dict[str, Any]]:
    """What became of the jobs that a bulk action has changed: ``state``, ``n`` and ``search`` of each state."""
    parts = BulkPart.objects.filter(bulk=bulk).values("job")
    counts = dict(Job.every.filter(pk__in=parts).order_by().values_list("state").annotate(n=Count("pk")))
    return [
        {"state": state, "n": counts[state], "search": f"batch:{bulk} state:{state}"}
        for state in State
        if state in counts
    ]


def actions_for(user: Any, query: Query) -> list[str]:
    """The bulk actions that may be done to what is looked for, and that can mean any of it.

    A cancel is taken back where cancelled jobs are looked for, and nothing else: it is no choice for every day.
    """
    if query.is_everything:
        return []
    states = frozenset(Job.OWN) if query.states is None else query.states
    meant = [each for each in ACTIONS if may(user, each) and states & STATES[each] and not why_not(each, query)]
    return [action for action in meant if action != "take_back" or states == STATES[action]]

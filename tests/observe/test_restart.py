"""What an observer that has just come makes of the rows of the one before it: it goes on as if it had never gone."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from tasks.engine.models import Attempt, Job
from tasks.observe.events import Event
from tasks.observe.models import App
from tasks.observe.watcher import Watcher
from tests.observe.test_fold import WORKERS, Life

pytestmark = pytest.mark.django_db(transaction=True)
COLUMNS = ("state", "attempt", "worker", "started_at", "finished_at", "due_at", "error", "kind", "queue", "basis")


def lives() -> list[tuple[str, Life]]:
    """A task that is retried once: the next message is received before or after the first attempt's end, by the same
    worker or another, with an ETA or without."""
    found = []
    for second, overlap, wait in itertools.product((0, 1), (False, True), (0, 60)):
        life = Life(0.1234567).say(0, "received", name="a", retries=0).say(0, "started")
        eta = {"eta": datetime.fromtimestamp(life.at + 1 + wait, UTC).isoformat()} if wait else {}
        if overlap:
            life.say(second, "received", name="a", retries=1, **eta).say(0, "retried", exception="x")
        else:
            life.say(0, "retried", exception="x").say(second, "received", name="a", retries=1, **eta)
        life.say(second, "started").say(second, "failed", exception="y")
        found.append((f"{'another' if second else 'same'}-{'before' if overlap else 'after'}-{wait}", life))
    return found


def watched(*parts: Sequence[Event]) -> dict[str, Any]:
    """What the rows say in the end, when each part is read by an observer of its own."""
    Job.every.all().delete()
    App.objects.all().delete()
    app = App.objects.create(name="shop", transport="amqp")
    for part in parts:
        watching = Watcher(App.objects.get(pk=app.pk), lambda hosts: None)
        watching.reload()
        watching.changed |= watching.entries  # what it remembers is what the row says
        for event in part:
            watching.take([event], event.at)
        watching.write()
    job = Job.every.get()
    columns = {name: getattr(job, name) for name in COLUMNS}
    ended = Attempt.objects.filter(job=job).order_by("number")
    columns["attempts"] = list(ended.values_list("number", "worker", "started_at", "finished_at", "outcome", "error"))
    columns["starts"] = [
        sum(watching.app.workers.filter(name=name).values_list("starts", flat=True)) for name, _ in WORKERS
    ]
    return columns


@pytest.mark.long
@pytest.mark.parametrize("life", [pytest.param(life, id=name) for name, life in lives()])
def test_an_observer_that_comes_in_the_middle_of_a_task_ends_with_the_same_row(life):
    alone = cache(lambda *known: watched([life.events[at] for at in known]))  # by one observer
    every = range(len(life.events))
    assert alone(*every)["attempt"] == 2
    for end in every[1:]:
        assert watched(life.events[:end], []) == alone(*every[:end]), [each.kind for each in life.events[:end]]
        for begin in every:  # what was said between the two is lost, or is said again
            known = [*every[:end], *every[max(begin, end) :]]
            assert watched(life.events[:end], life.events[begin:]) == alone(*known), (end, begin)

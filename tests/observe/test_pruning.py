"""Rows of watched tasks stay within an age and a number; what failed is kept longer than what went well."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.models import Attempt, Ending, Job
from tasks.observe import knowledge, pruning
from tests.observe.test_api import shop
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db


@pytest.fixture
def most(settings, monkeypatch):
    monkeypatch.setattr(pruning, "LONGEST_S", 30.0)  # a busy machine deletes nothing in less

    def bound(number: int, *apps: str) -> None:
        settings.SIGNALBOX_KEEP_WATCHED = number
        settings.SIGNALBOX_OBSERVE = dict.fromkeys(apps or ("shop",))

    return bound


def prune(app: str) -> int:
    """One visit."""
    return pruning.Pruner(app).visit()


def left() -> set[int]:
    return set(Job.every.values_list("pk", flat=True))


def test_what_ended_too_long_ago_goes_with_all_that_belongs_to_it(settings, most):
    settings.SIGNALBOX_KEEP_WATCHED_D = 7
    most(1_000)
    now = timezone.now()
    old = watched("failed", finished_at=now - timedelta(days=7, minutes=1))
    Attempt.objects.create(job=old, number=1, started_at=now, finished_at=now, outcome="failed")
    kept = [watched("failed", finished_at=now - timedelta(days=6)), watched("running"), watched("failed", "crm")]
    mine, _ = lifecycle.submit("noop", {})
    Job.every.filter(pk__in=(mine.pk, kept[2].pk)).update(finished_at=now - timedelta(days=30))
    assert prune("shop") == 1
    assert left() == {mine.pk, *(each.pk for each in kept)}
    assert not Attempt.objects.exists() and not Ending.objects.filter(job_id=old.pk).exists()


def test_of_too_many_the_oldest_successes_go_first(most):
    tasks = [watched(state) for state in ("failed", "succeeded", "succeeded", "running", "succeeded", "queued")]
    most(4)
    assert prune("shop") == 2
    assert left() == {tasks[i].pk for i in (0, 3, 4, 5)}
    most(2)
    assert prune("shop") == 2, "when no success is left, the oldest of the others go"
    assert left() == {tasks[3].pk, tasks[5].pk}
    most(1)
    assert prune("shop") == 0, "what has not ended is never deleted"


def test_applications_share_the_bound_and_leave_our_own_jobs_out(most):
    for app in ("shop", "crm"):
        for _ in range(3):
            watched("succeeded", app)
    mine = [lifecycle.submit("noop", {})[0].pk for _ in range(5)]
    most(4, "shop", "crm")
    assert (prune("shop"), prune("crm")) == (1, 1)
    assert left() > set(mine) and len(left()) == 9


def test_one_visit_is_short_and_the_next_goes_on(monkeypatch, most):
    for _ in range(5):
        watched("succeeded")
    most(1)
    pruner = pruning.Pruner("shop")
    monkeypatch.setattr(pruning, "LONGEST_S", 0.0)
    assert pruner.visit() == 0
    monkeypatch.setattr(pruning, "LONGEST_S", 2.0)
    monkeypatch.setattr(pruning, "AT_ONCE", 2)
    assert pruner.visit() == 4


def test_what_is_kept_is_passed_once_and_not_again_with_each_step(monkeypatch, most):
    kept = [watched("failed") for _ in range(6)]
    for _ in range(6):
        watched("succeeded")
    most(6)
    monkeypatch.setattr(pruning, "AT_ONCE", 2)
    pruner = pruning.Pruner("shop")
    assert pruner.visit() == 6
    assert left() == {each.pk for each in kept}
    with CaptureQueriesContext(connection) as said:
        assert pruner.visit() == 0
    assert len(said) == 1, "it counts only now and then: the one question is for what is too old"


def test_everything_that_belongs_to_a_job_goes_with_it(most):
    """The rows of every model that refers to a job: a database with foreign keys would refuse otherwise."""
    assert {model.__name__ for model, _ in pruning._belongings()} >= {"Attempt", "Ending", "LogLine", "Effect"}
    job = watched("failed")
    now = timezone.now()
    Attempt.objects.create(job=job, number=1, started_at=now, finished_at=now, outcome="failed")
    most(0)
    assert prune("shop") == 1
    assert not Attempt.objects.exists() and not Ending.objects.exists()


def test_the_page_says_how_far_back_the_rows_reach(settings, most):
    settings.SIGNALBOX_KEEP_WATCHED_D = 7
    most(1_000)
    app = shop()
    assert not any("is kept" in sentence for sentence in knowledge.coverage(app, []))
    first = watched("succeeded", finished_at=timezone.now() - timedelta(days=2))
    watched("succeeded")
    [said] = [sentence for sentence in knowledge.coverage(app, []) if "is kept" in sentence]
    assert said == (
        "What ended is kept for 7 days, and no more than 1,000 tasks: the oldest successes go first. "
        f"The oldest that is here ended on {knowledge.clock(first.finished_at)}."
    )

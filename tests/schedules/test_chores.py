"""A fresh install counts for its charts and deletes what is old, without a word from anybody."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps

from tasks.engine.models import Job
from tasks.schedules import actions
from tasks.schedules.models import Schedule

pytestmark = pytest.mark.django_db


def schedule_chores() -> None:
    import_module("tasks.schedules.migrations.0002_chores").schedule_chores(apps, None)


def there() -> dict[str, str]:
    return {row.periodic.task: row.in_words for row in actions.rows().order_by("periodic__name")}


def test_both_chores_are_scheduled_with_times_to_come_and_their_jobs_can_be_made():
    schedule_chores()
    assert there() == {"prune": "at 03:17 (UTC)", "roll_up": "every 5 minutes"}
    for row in actions.rows():
        (slot,) = row.next(1)
        assert actions.keep(row, slot + timedelta(seconds=1)).outcome == "started"
    assert sorted(Job.objects.values_list("kind", flat=True)) == ["prune", "roll_up"]


def test_a_second_time_or_beside_schedules_of_ones_own_nothing_is_doubled():
    actions.create("my way of counting", "roll_up", {"minutes": 60}, actions.every(600))
    schedule_chores()
    changed = Schedule.objects.get(periodic__task="prune")
    actions.change(changed, name="at night", timing=actions.crontab("0 2 * * *", "Europe/Berlin"))
    actions.pause(changed, True)
    schedule_chores()
    assert there() == {"prune": "at 02:00 (Europe/Berlin)", "roll_up": "every 10 minutes"}

"""The demo shows the product: it must not bury a small machine, or make a person's first job wait behind it."""

import pytest

from project.management.commands import demo
from tasks.engine import lifecycle
from tasks.engine.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_demo_waits_for_a_machine_that_falls_behind_and_lets_people_go_first():
    for number in range(1, 40):
        demo.submit(number)
    assert Job.objects.count() == demo.MOST_WAITING
    own, _ = lifecycle.submit("countdown", {})
    assert own.priority > max(Job.objects.exclude(pk=own.pk).values_list("priority", flat=True))

"""Tasks that belong to the team's app alone: classes, and functions of ``app.task``. They are adopted, or no jobs."""

from celery import chain

from tests.habits.cases import end_of, lines
from tests.habits.team import usual
from tests.habits.team.celery import app


def class_that_is_registered():
    one = usual.doubling
    calls = [one.delay(2), one.apply_async((3,), {"word": "y"}), app.send_task(one.name, (4,))]
    calls.append(chain(one.s(1), one.s(word="z")).delay())
    return [[end_of(each) for each in calls], one(5), one.run(6), one.twice(1)]


def class_of_a_class_that_tries_again():
    return [end_of(usual.trying.delay(2)), end_of(usual.trying.delay(-1)), lines(3, "tries")]


def task_of_the_app():
    return end_of(usual.by_the_app.delay(2))

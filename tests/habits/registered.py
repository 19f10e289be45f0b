"""Tasks that belong to the team's app alone: classes, and functions of ``app.task``. They are adopted, or no jobs."""

from celery import chain
from celery.result import AsyncResult

from tests.habits.cases import end_of, lines
from tests.habits.team import current, usual
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


def current_app_of_a_task():
    return [end_of(current.says_its_app.delay()), lines(1, "line"), lines(2, "signal")]


def current_app_of_a_shared_task():
    return [end_of(current.shared.delay()), lines(2, "signal")]


def current_app_after_tasks_that_fail():
    ends = [end_of(current.fails.delay(how))[0] for how in ("once", "again")]
    slow = end_of(current.fails.apply_async(("slow",), soft_time_limit=1))
    return [ends, slow[0], end_of(current.shared.delay()), end_of(current.says_a_line.delay("x")), lines(4, "fails")]


def current_app_in_a_thread_of_a_task():
    return end_of(current.in_a_thread.delay())


def calls_by_the_current_app():
    state, called = end_of(current.calls_in_a_chain.delay(3))
    return [state, end_of(AsyncResult(called))]

"""Tasks that say what they know of themselves, and tasks that others ask about."""

import functools
import logging
import re
import time
from typing import Any

from celery import Task, current_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.result import allow_join_result
from celery.utils.log import get_task_logger
from celery.worker.request import Request

from tests.habits.team.tasks import Special, job, note

log = get_task_logger(__name__)
ASKED = (
    "args", "kwargs", "retries", "is_eager", "called_directly", "task", "expires", "eta", "timelimit", "argsrepr",
    "kwargsrepr", "lang", "shadow", "headers", "stamps", "chain", "callbacks", "errbacks", "chord", "parent_id",
    "ignore_result",
)  # fmt: skip


@job(name="habits_asks_itself", bind=True)
def asks_itself(self, *args, **kwargs):
    request = self.request
    said: dict[str, Any] = {name: getattr(request, name) for name in ASKED}
    said["headers"] = request.headers or None
    said["own id"] = [request.root_id == request.id, request.correlation_id == request.id, len(request.id)]
    said["delivery"] = [request.delivery_info["redelivered"], type(request.delivery_info["routing_key"]).__name__]
    said["host"] = type(request.hostname).__name__
    said["get"] = [request.get("nothing"), request.get("nothing", 3), request.get("task")]
    said["current"] = [current_task.name == self.name, current_task.request.id == request.id]
    said["task"] = [self.name, self.__name__, self.max_retries, self.default_retry_delay, self.time_limit]
    said["app"] = self.app.tasks[self.name].name
    said["log"] = [log.name, log.parent.name, log.isEnabledFor(logging.INFO), log.isEnabledFor(logging.DEBUG)]
    return said


@job(name="habits_says_its_message", bind=True)
def says_its_message(self, previous=None):
    request = self.request
    found = {name: request.properties.get(name) for name in ("once", "colour", "correlation_id", "reply_to")}
    found["correlation_id"] = found["correlation_id"] == request.id
    place = re.fullmatch(r"gen\d+@(.+)", request.origin)
    return [found, request.correlation_id == request.id, request.reply_to == "me", place is not None]


@job(name="habits_says_its_origin", bind=True)
def says_its_origin(self):
    return self.request.origin


@job(name="habits_calls_two")
def calls_two():
    return [called.delay(False).id, called.delay(False).id]


@job(name="habits_calls_another")
def calls_another():
    called.delay()


@job(name="habits_called", bind=True)
def called(self, further=True):
    request = self.request
    note("called", request.parent_id is not None, request.root_id != request.id, request.root_id == request.parent_id)
    if further:
        self.delay(further=False)


@job(name="habits_adds_one")
def adds_one(n):
    return n + 1


@job(name="habits_asks_for_a_result")
def asks_for_a_result(uid):
    result = adds_one.AsyncResult(uid)
    seen = [result.get(disable_sync_subtasks=False)]
    with allow_join_result():
        seen.append(result.get())
    try:
        adds_one.AsyncResult(uid).get()
    except RuntimeError:
        seen.append("refused")
    return seen


@job(name="habits_says_type")
def says_type(value):
    return [type(value).__name__, repr(value)]


@job(name="habits_raises_many")
def raises_many():
    raise Special("a", 1, {"x": 2})


@job(name="habits_sleeps_a_while")
def sleeps_a_while(seconds):
    note("sleeps a while")
    time.sleep(seconds)


@job(name="habits_is_limited", bind=True, soft_time_limit=60)
def is_limited(self, seconds):
    note("limits", self.request.timelimit)
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "soft limit"
    return "slept"


def noted(function):
    @functools.wraps(function)
    def noting(*args, **kwargs):
        note("noted", args, kwargs)
        return function(*args, **kwargs)

    return noting


@job(name="habits_is_wrapped")
@noted
def is_wrapped(x, y=2):
    return [x, y]


@job(name="habits_is_routed", bind=True)
def is_routed(self):
    return self.request.delivery_info["routing_key"]


@job(name="habits_is_annotated", bind=True)
def is_annotated(self):
    note("annotated")
    raise self.retry(countdown=0)


class LoggedRequest(Request):
    """What some teams have for the log of time limits."""


class Logged(Task):
    Request = LoggedRequest


@job(name="habits_has_a_request", base=Logged)
def has_a_request(n):
    return n

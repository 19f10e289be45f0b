"""What callers do with results, signatures and mocks; and tasks of ``team.usual``."""

import json
import time
from unittest.mock import patch
from uuid import UUID, uuid4

from celery import Task, chain, chord, group, signature
from celery.exceptions import Retry
from celery.result import AsyncResult, result_from_tuple

from tests.habits.cases import PATIENCE_S, end_of, lines, settled
from tests.habits.team import tasks, usual

app = tasks.spend.app  # of the tasks, whichever that is


def calls_that_a_task_returns():
    seen = []
    for called in (usual.returns_a_call.delay(), usual.calls_for_each.delay([1, 2], tasks.adds.s(5))):
        state, value = end_of(called)
        seen.append([state, result_from_tuple(value, app=app).get(timeout=PATIENCE_S)])
    return seen


def signature_as_an_argument():
    ends = [end_of(usual.calls_back.delay(3, callback=each)) for each in (tasks.spend.s(), dict(tasks.spend.s()))]
    return [ends, lines(2, "spend")]


def signatures_that_were_stored():
    both = [tasks.adds.s(1, 1), tasks.adds.s(2)]
    kept = [json.loads(json.dumps(each)) for each in (chain(both), chord(both[:1], tasks.collects.s()))]
    return [end_of(signature(each, app=app).delay()) for each in kept]


def exceptions_with_classes():
    seen = []
    for n, kind in enumerate(map(type, usual.RAISED)):
        end_of(called := usual.raises_one_of.delay(n))
        try:
            called.get(timeout=PATIENCE_S)
        except kind as error:
            seen.append([kind.__name__, str(error), type(AsyncResult(called.id, app=app).result).__name__])
    return seen


def state_that_a_task_stores():
    called = usual.stores_its_state.delay()
    lines(1, "stored")
    time.sleep(0.6)
    found = AsyncResult(called.id, app=app)
    return [found.state, found.info, end_of(called)]


def run_under_a_wrapper():
    return [end_of(usual.has_a_span.delay(1)), end_of(usual.has_a_span.delay(1, api_token="abcd"))]


def context_of_signals():
    return [end_of(usual.sees_its_context.delay()), lines(1, "afterwards")]


def ids_that_are_no_texts():
    uid = uuid4()
    end_of(tasks.adds.apply_async((1, 2), task_id=uid))
    found = AsyncResult(uid, app=app)
    return [found.state, found.get(timeout=PATIENCE_S), tasks.adds.AsyncResult(UUID(str(uid))).result]


def result_that_is_promised():
    seen, result = [], tasks.adds.delay(1, 1)
    result.then(lambda ended: seen.append(ended.get(timeout=PATIENCE_S)))
    result.get(timeout=PATIENCE_S)
    return seen


def backend_that_is_asked():
    end_of(called := tasks.adds.delay(1, 2))
    backend = tasks.adds.backend
    return [backend.get_state(called.id), backend.get_result(called.id), backend.get_traceback(called.id)]


def call_under_a_wrapper():
    """As tools for traces hand on what they know of the caller."""
    seen, celerys = [], Task.apply_async

    def handing_on(self, args=None, kwargs=None, **options):
        seen.append([self.name, list(args or ()), kwargs or {}, sorted(options)])
        options["headers"] = {**(options.get("headers") or {}), "tenant": "acme"}
        result = celerys(self, args, kwargs, **options)
        seen.append(len(result.id))
        return result

    Task.apply_async = handing_on
    try:
        calls = [tasks.headers.delay(), tasks.headers.apply_async(countdown=0.1, queue="routed")]
        calls.append(chain(tasks.adds.s(1, 1), tasks.adds.s(2)).delay())
        ends = [end_of(each) for each in calls]
        both = group(tasks.adds.s(1, 1), tasks.adds.s(2, 2)).apply_async()
        return [ends, both.get(timeout=PATIENCE_S), seen[:4]]
    finally:
        Task.apply_async = celerys


def mocks_of_a_test():
    seen = []
    for name in ("celery.app.task.Task.apply_async", "celery.app.task.Task.delay"):
        with patch(name) as called:
            tasks.spend.delay(1)
        seen.append([called.call_count, called.call_args.args])
    with patch("tests.habits.team.tasks.adds.delay") as called:
        tasks.adds.delay(1, 2)
    seen.append(called.call_args.args)
    with patch("tests.habits.team.tasks.adds.run", return_value=7):
        seen += [tasks.adds(1, 2), tasks.adds.apply((1, 2)).get()]
    with patch.object(tasks.tries_another, "retry", side_effect=Retry):
        try:
            tasks.tries_another(1)
        except Retry:
            seen.append("Retry")
    return [seen, settled()]


def class_of_the_apps_own():
    return [end_of(usual.is_of_the_app.delay(2)), lines(1, "on_success")]

"""Tasks as teams write them. Plain Celery and the product import this same source; only the decorator differs."""

import os
import time
from pathlib import Path
from typing import Any

from celery import Task, chain, chord, group
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from celery.signals import task_failure, task_postrun, task_prerun, task_received, task_success

if os.environ.get("HABITS_SIDE") == "ours":
    from tasks.base import job
else:  # plain Celery, and tasks that are adopted
    from celery import shared_task as job


def note(what: str, *values: Any) -> None:
    """One line of the case's log, which both products' lines are compared by."""
    line = " ".join([what, *map(str, values)])
    with open(os.environ["HABITS_LOG"], "a") as file:
        file.write(f"{line}\n")


class Special(Exception):
    """A class of the team's own."""


class Stubborn(Task):
    abstract, autoretry_for, max_retries, default_retry_delay = True, (KeyError,), 5, 0
    retry_kwargs = {"countdown": 0}


class Around(Task):
    """What teams put around all their tasks."""

    def before_start(self, task_id, args, kwargs):
        note("before_start", args, kwargs)

    def __call__(self, *args, **kwargs):
        note("call", args, kwargs)
        return super().__call__(*args, **kwargs)

    def on_success(self, retval, task_id, args, kwargs):
        note("on_success", retval, args, kwargs)

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        note("on_failure", repr(exc), args, kwargs)

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        note("after_return", status, args, kwargs)

    def delay(self, *args, **kwargs):
        note("delay")
        return super().delay(*args, **kwargs)

    def apply_async(self, args=None, kwargs=None, **options):
        note("apply_async")
        return super().apply_async(args, kwargs, **options)


@job(name="habits_tree", bind=True)
def tree(self, node, depth=2):
    note("visited", node)
    for child in (1, 2) * bool(depth):
        tree(f"{node}.{child}", depth - 1)
    return node


@job(name="habits_spend")
def spend(n):
    note("spend", n)
    return n


@job(name="habits_look", bind=True)
def look(self, n):
    note("look", n)
    self.request.chain = self.request.callbacks = None
    return n


@job(name="habits_ignores")
def ignores(n):
    note("ignores", n)
    raise Ignore


@job(name="habits_says_failure", bind=True)
def says_failure(self, n):
    self.update_state(state="FAILURE", meta={"exc_type": "Special", "exc_message": ["no stock"], "n": n})
    raise Ignore


@job(name="habits_stubborn", base=Stubborn)
def stubborn(n):
    note("stubborn", n)
    raise KeyError(n)


@job(name="habits_around", base=Around)
def around(n, flag=False):
    note("around", n, flag)
    if n < 0:
        raise Special(n)
    return n


@job(name="habits_signalled")
def signalled(n, word="w"):
    if n < 0:
        raise Special(word)
    return n


@job(name="habits_never_queued")
def marks_the_end():
    note("the end")


@job(name="habits_progress", bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 3})
    while not Path(os.environ["HABITS_LOG"]).read_text():
        time.sleep(0.02)
    return "done"


@job(name="habits_wide")
def wide(n):
    return n


@job(name="habits_sleeps")
def sleeps():
    note("sleeps")
    for _ in range(600):
        time.sleep(0.05)
    note("slept")


@job(name="habits_adds")
def adds(x, y=0):
    return x + y


@job(name="habits_collects")
def collects(results):
    note("collects", results)
    return results


@job(name="habits_breaks")
def breaks(*args):
    note("breaks", *args)
    raise Special("no")


@job(name="habits_replaces", bind=True)
def replaces(self, how, x=1):
    match how:
        case "task":
            return self.replace(adds.s(x, 100))
        case "chain":
            return self.replace(chain(adds.s(x, 100), adds.s(1000)))
        case "group":
            return self.replace(group(adds.s(x, 100), adds.s(x, 200)))
    return self.replace(chord([adds.s(x, 100), adds.s(x, 200)], collects.s()))


@job(name="habits_errback")
def errback(uid):
    note("errback", len(uid))


@job(name="habits_errback_of_three")
def errback_of_three(request, exc, traceback):
    note("errback of three", request.args, request.kwargs, repr(exc), str(traceback).strip().splitlines()[-1])


@job(name="habits_bound_errback", bind=True)
def bound_errback(self, uid):
    note("bound errback", len(uid))


@job(name="habits_tries_another", bind=True, max_retries=2)
def tries_another(self, n, word="w"):
    note("tries", n, word)
    if self.request.retries:
        return [n, word]
    raise self.retry(args=(n + 1,), kwargs={"word": "x"}, countdown=0)


@job(name="habits_headers", bind=True)
def headers(self):
    return [self.request.get("tenant"), (self.request.headers or {}).get("tenant")]


@job(name="habits_expires", expires=60)
def expires():
    return "ran"


@job(name="habits_received")
def received(n):
    return n


@task_received.connect
def hear_received(sender=None, request=None, **_):
    if request.name == received.name:
        note("received", tuple(request.args), request.kwargs)


@job(name="habits_rated", rate_limit="30/m")
def rated(n):
    note("rated", n)
    return n


@job(name="habits_cleans_up", soft_time_limit=1)
def cleans_up():
    try:
        time.sleep(30)
    except SoftTimeLimitExceeded:
        note("cleans up")
        return "cleaned"


@job(name="habits_too_slow", soft_time_limit=1)
def too_slow():
    note("too slow")
    time.sleep(30)


@job(name="habits_far_too_slow", time_limit=1)
def far_too_slow():
    note("far too slow")
    time.sleep(30)


@task_prerun.connect
def hear_prerun(sender=None, args=None, kwargs=None, **_):
    if sender.name == signalled.name:
        note("prerun", args, kwargs)


@task_postrun.connect
def hear_postrun(sender=None, args=None, kwargs=None, state=None, **_):
    if sender.name == signalled.name:
        note("postrun", args, kwargs, state)


@task_success.connect(sender=signalled)
def hear_success(sender=None, result=None, **_):
    note("success", result)


@task_failure.connect(sender=signalled)
def hear_failure(sender=None, exception=None, args=None, kwargs=None, **_):
    note("failure", repr(exception), args[0], kwargs)

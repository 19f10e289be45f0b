"""Tasks in the manner of many projects: own handlers, retries of their own making, and options that few use."""

import time

from celery import Task
from celery.contrib.abortable import AbortableTask
from celery.exceptions import Ignore, MaxRetriesExceededError, Reject
from celery.signals import (
    celeryd_after_setup,
    celeryd_init,
    task_failure,
    task_retry,
    worker_init,
    worker_process_init,
    worker_ready,
)

from tests.habits.team.tasks import Special, job, note

began: list[str] = []


def heard(signal):
    """Keep the signal's name when a worker sends it."""

    @signal.connect(weak=False)
    def hear(**_):
        began.append(signal.name)


for each in (celeryd_init, celeryd_after_setup, worker_init, worker_process_init, worker_ready):
    heard(each)


@job(name="habits_says_what_began")
def says_what_began():
    return began


@job(name="habits_counts_by_itself", bind=True)
def counts_by_itself(self, n):
    note("counts", n, self.request.retries)
    if self.request.retries < 2:
        self.apply_async((n,), retries=self.request.retries + 1)


@job(name="habits_is_stamped", bind=True)
def is_stamped(self):
    return [self.request.stamps, self.request.stamped_headers]


@job(name="habits_ignores_with_a_state", bind=True)
def ignores_with_a_state(self):
    self.update_state(state="COOLDOWN", meta={"reason": "too soon"})
    raise Ignore


@job(name="habits_is_carried", bind=True)
def is_carried(self, n):
    return [n, self.request.get("tenant"), (self.request.headers or {}).get("tenant"), repr(self.request.get("day"))]


class Told(Task):
    autoretry_for = (Special,)
    retry_kwargs = {"max_retries": 2, "countdown": 0}
    throws = (KeyError,)

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        note("on_retry", repr(exc), args, kwargs, type(einfo.exception).__name__)

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        note("on_failure", repr(exc), args, kwargs, str(einfo).strip().splitlines()[-1])

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        note("after_return", status, repr(retval), args, kwargs)


@job(name="habits_is_told", base=Told)
def is_told(n, key=False):
    raise KeyError(n) if key else Special(n)


@task_retry.connect(sender=is_told)
def hear_retry(sender=None, request=None, reason=None, einfo=None, **more):
    note("task_retry", type(reason).__name__, request.args, request.kwargs, request.retries, sorted(more))


@task_failure.connect(sender=is_told)
def hear_failure(sender=None, task_id=None, exception=None, args=None, kwargs=None, traceback=None, einfo=None, **_):
    note("task_failure", len(task_id), repr(exception), args, kwargs, traceback is not None, einfo is not None)


def own_on_failure(self, exc, task_id, args, kwargs, einfo):
    note("own on_failure", self.name, repr(exc), args)


@job(name="habits_has_its_own_handler", on_failure=own_on_failure)
def has_its_own_handler(n):
    raise Special(n)


@job(name="habits_retries_with_other_args", bind=True, max_retries=3)
def retries_with_other_args(self, n, m=0, *rest, k=None):
    note("args", n, m, rest, k)
    match self.request.retries:
        case 0:
            self.retry(args=(n + 1,), countdown=0)
        case 1:
            self.retry(kwargs={"m": 5}, countdown=0)
        case 2:
            self.retry(args=(9, 8), kwargs={"k": 1}, countdown=0)
    return [n, m, list(rest), k]


@job(name="habits_gives_up", bind=True, max_retries=1)
def gives_up(self, n):
    try:
        self.retry(countdown=0)
    except MaxRetriesExceededError as error:
        return [list(error.task_args), error.task_kwargs]


@job(name="habits_overrides", bind=True, autoretry_for=(Special,), retry_kwargs={"countdown": 0}, max_retries=3)
def overrides(self):
    note("overrides", self.request.retries)
    self.override_max_retries = 1
    raise Special("no")


ATTRIBUTES = {
    "queue": "celery", "acks_late": True, "track_started": True, "default_retry_delay": 7, "soft_time_limit": 50,
    "time_limit": 60, "expires": 100, "priority": 3, "rate_limit": "100/s", "verbose_name": "A task",
    "retry_backoff": True, "reject_on_worker_lost": True, "compression": "zlib", "max_retries": 9,
}  # fmt: skip


@job(name="habits_says_its_attributes", bind=True, throws=(Special,), **ATTRIBUTES)
def says_its_attributes(self):
    return [{name: getattr(self, name, "none") for name in ATTRIBUTES}, self.throws == (Special,), self.serializer]


@job(name="habits_sends_an_event", bind=True)
def sends_an_event(self):
    self.send_event("task-custom", percent=50)
    self.request.update({"own": 1})
    return self.request.get("own")


@job(name="habits_can_be_aborted", bind=True, base=AbortableTask)
def can_be_aborted(self):
    note("runs")
    for _ in range(300):
        if self.is_aborted():
            note("aborted")
            return "stopped"
        time.sleep(0.03)
    return "went on"


@job(name="habits_wears_a_shadow", bind=True)
def wears_a_shadow(self):
    return self.request.shadow


class Named(Task):
    def shadow_name(self, args, kwargs, options):
        return f"{self.__name__} of {args[0]}"


@job(name="habits_names_its_calls", bind=True, base=Named)
def names_its_calls(self, n):
    return self.request.shadow


@job(name="habits_has_defaults")
def has_defaults(a, b=2, *args, c=3, **kwargs):
    return [a, b, list(args), c, kwargs]


@job(name="habits_has_common_names")
def has_common_names(queue, owner, args=(), kwargs=None, task_id=1, countdown=0):
    return [queue, owner, args, kwargs, task_id, countdown]


@job(name="habits_takes_too_long", time_limit=1)
def takes_too_long(n):
    time.sleep(20)


@task_failure.connect(sender=takes_too_long)
def hear_too_long(sender=None, exception=None, args=None, kwargs=None, **_):
    note("failure of the limit", type(exception).__name__, args, kwargs)


@job(name="habits_rejects")
def rejects(n):
    raise Reject("no", requeue=False)


@task_failure.connect(sender=rejects)
def hear_rejects(sender=None, exception=None, args=None, kwargs=None, **_):
    note("failure of a reject", type(exception).__name__, args, kwargs)


seen_by_decorators = []


def remembered(task):
    """Like decorators that plan a task by its function's name."""
    seen_by_decorators.append(f"{task.__module__}.{task.__name__} {task.__doc__}")
    return task


@remembered
@job(name="habits_is_remembered")
def is_remembered():
    """What it does."""
    return seen_by_decorators

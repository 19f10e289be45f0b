"""Habits read in the code of public projects: what a class keeps, wraps or tries again before its function runs."""

import functools
from abc import ABC

from celery import Task, current_task, shared_task
from celery.signals import task_retry

from tests.habits.team.tasks import Special, adds, job, note


class Keeping(Task):
    """It keeps something of each run on itself, and a run may begin again before its function is called."""

    abstract, throws, max_retries, default_retry_delay = True, (Special,), 2, 0

    def before_start(self, task_id, args, kwargs):
        self.kept = list(args)
        if args[0] == "early" and self.request.retries < 1:
            self.retry(exc=Special("early"), countdown=0)

    def __call__(self, *args, **kwargs):
        if args[0] == "call" and self.request.retries < 2:
            return self.retry(exc=Special("in the call"), countdown=0)
        return super().__call__(*args, **kwargs)

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        note("on_failure", self.kept, isinstance(exc, self.throws), einfo.type.__name__)

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        note("on_retry", type(exc).__name__, exc, self.request.retries, einfo.type.__name__)

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        note("after_return", status, self.kept, type(retval).__name__)


@job(base=Keeping, bind=True, name="habits_keeps")
def keeps(self, how):
    note("runs", how, self.kept, self.request.retries)
    if how == "throws":
        raise Special("thrown")
    if how == "exhausted":
        try:
            raise Special("inside")
        except Special:
            self.retry(countdown=0)
    if how == "asks":
        if self.request.retries >= self.max_retries:
            return "given up"
        raise self.retry(countdown=0, exc=Special("again"))
    return [how, self.request.retries]


@task_retry.connect
def note_retry(sender=None, request=None, reason=None, einfo=None, **_):
    if sender.name == "habits_keeps":
        note("task_retry", type(reason).__name__, request.retries, str(reason))


@job(trail=False, bind=True, name="habits_leaves_no_trail")
def leaves_no_trail(self):
    adds.delay(1, 1)
    adds.delay(2, 2)
    return len(self.request.children)


@job(name="habits_has_its_own_delay")
def has_its_own_delay(n, tag="none"):
    return [n, tag]


def tagging(method):
    @functools.wraps(method)
    def tagged(args=None, kwargs=None, **options):
        note("tagged", args)
        return method(args, {**(kwargs or {}), "tag": "ours"}, **options)

    return tagged


has_its_own_delay.apply_async = tagging(has_its_own_delay.apply_async)


@job(bind=True, name="habits_reads_its_request")
def reads_its_request(self, n, key=None):
    seen = self.request
    own = [seen.get("nothing"), seen.get("retries"), seen.called_directly, seen.is_eager, seen.root_id == seen.id]
    own += [seen.delivery_info.get("redelivered"), seen.args, seen.kwargs, seen.hostname == self.request.hostname]
    own += [self.max_retries, self.name, self.request.task, self.request.argsrepr, self.request.kwargsrepr]
    again = self.signature_from_request(self.request, countdown=0)
    own += [again.task, list(again.args), dict(again.kwargs), current_task.request.id == seen.id]
    own += [self.AsyncResult(seen.id).state, self.app.AsyncResult(seen.id).status, seen.utc, seen.timelimit]
    return [*own, self.request_stack.top is not None, sorted(seen.as_execution_options())]


class Saying(Exception):
    def __init__(self, what, code=3):
        super().__init__(what)
        self.code = code


@shared_task(name="habits_fails_below")
def fails_below():
    try:
        {}["key"]
    except KeyError as error:
        raise Saying("outer") from error


@job(bind=True, name="habits_is_given_up")
def gives_up(self):
    try:
        raise self.retry(countdown=0, max_retries=0)
    except self.MaxRetriesExceededError as error:
        note("given up", type(error).__name__, error.task_args, error.task_kwargs)
        return "given up"


class Outage(Task, ABC):
    """Its calls give all of Celery's first options by position, and what is retried is told of."""

    def apply_async(self, args=None, kwargs=None, task_id=None, producer=None, link=None, link_error=None, shadow=None, **options):  # fmt: skip  # noqa: E501
        return super().apply_async(args, kwargs, task_id, producer, link, link_error, shadow, **options)

    def retry(self, args=None, kwargs=None, exc=None, throw=True, eta=None, countdown=None, max_retries=None, **options):  # fmt: skip  # noqa: E501
        note("retry of the class", exc)
        return super().retry(
            args=args, kwargs=kwargs, exc=exc, throw=throw, eta=eta, countdown=0, max_retries=max_retries, **options
        )


@job(base=Outage, bind=True, name="habits_survives", max_retries=1)
def survives(self, n):
    note("survives", n)
    if n < 0:
        raise self.retry(exc=Special(n))
    return n


@job(base=Outage, name="habits_survives_by_itself", autoretry_for=(Special,), max_retries=1)
def survives_by_itself(n):
    note("survives by itself", n)
    raise Special(n)


@job(bind=True, name="habits_takes_itself_by_position")
def takes_itself_by_position(*args, **kwargs):
    return [args[0].name, list(args[1:]), kwargs]

"""A team's plain Celery tasks, of which tests adopt some: not a line of them knows Signalbox."""

from celery import Celery, Task, shared_task

theirs = Celery("names_theirs", set_as_current=False)
received: list = []


class Told(Task):
    abstract = True

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        received.append((self.name, str(exc)))


@shared_task
def plain_sum(report, y=1):
    """Add two numbers, the first of which is called report."""
    return report + y


@shared_task(bind=True, autoretry_for=(KeyError,), max_retries=5, default_retry_delay=7, queue="slow", time_limit=99)
def plain_unlucky(self, n: int):
    if self.request.retries < 1:
        raise KeyError(n)
    return [self.name, n]


@shared_task(expires=60, max_retries=2)
def plain_short():
    """What is of no use a minute later."""


@shared_task(name="plain.chosen")
def plain_named(api_token, text: str = "x"):
    return len(str(api_token))


@theirs.task(base=Told)
def plain_theirs(n):
    if n < 0:
        raise ValueError("below zero")
    return plain_sum.delay(n, 1).id


@shared_task(serializer="pickle")
def plain_unpickled(n):
    return n


@theirs.task
def plain_left(n):
    return n

"""Tasks that are called many times by one message, tasks of groups, and tasks that ask to be tried again."""

from celery.exceptions import Retry

from tests.habits.team.tasks import Special, job, note


@job(name="habits_doubles")
def doubles(n):
    note("doubles", n)
    if n < 0:
        raise Special("below zero")
    return 2 * n


@job(name="habits_knows_its_call", bind=True)
def knows_its_call(self, n):
    request = self.request
    return [n, request.called_directly, request.id is None, request.args]


@job(name="habits_knows_its_group", bind=True)
def knows_its_group(self, *_):
    note("group", self.request.group_index)
    return self.request.group


@job(name="habits_hands_on")
def hands_on(results):
    return results


@job(name="habits_retries_without_raising", bind=True, max_retries=2)
def retries_without_raising(self):
    note("tries", self.request.retries)
    if self.request.retries < 2:
        self.retry(countdown=0.1, throw=False)
    return self.request.retries


@job(name="habits_raises_what_retry_gave", bind=True, max_retries=2)
def raises_what_retry_gave(self):
    note("tries", self.request.retries)
    if self.request.retries < 2:
        again = self.retry(countdown=0.1, throw=False)
        raise again
    return self.request.retries


@job(name="habits_raises_retry")
def raises_retry(*_):
    note("raises Retry")
    raise Retry("by hand", when=1)


@job(name="habits_raises_special")
def raises_special(n):
    raise Special(f"no {n}")

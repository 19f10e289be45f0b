"""Tasks that return calls, raise classes of their own, are wrapped by a tool, or are classes; and what runs them."""

import contextvars
import functools
import threading
import time

from celery import Task, current_task, group, maybe_signature, subtask
from celery.signals import task_postrun, task_prerun

from tests.habits.team.celery import app
from tests.habits.team.tasks import Special, adds, job, note

local, variable = threading.local(), contextvars.ContextVar("variable", default="unset")


@job(name="habits_calls_for_each")
def calls_for_each(items, callback):
    return group(subtask(callback).clone([each]) for each in items)()


@job(name="habits_returns_a_call")
def returns_a_call():
    return adds.delay(1, 2)


@job(name="habits_calls_back")
def calls_back(n, callback=None):
    maybe_signature(callback, app=current_task.app).delay(n)


class Numbered(Exception):
    """Needs two arguments, and its text is neither."""

    def __init__(self, code, text):
        super().__init__(code, text)
        self.code = code

    def __str__(self):
        return f"{self.code}: {self.args[1]}"


RAISED = (Numbered(3, "gone"), UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), OSError(2, "No such file"))


@job(name="habits_raises_one_of")
def raises_one_of(n):
    raise RAISED[n]


@job(name="habits_stores_its_state", bind=True)
def stores_its_state(self):
    self.backend.store_result(self.request.id, {"done": 1}, "PROGRESS")
    note("stored")
    time.sleep(1.5)


@job(name="habits_has_a_span")
def has_a_span(n, api_token="none"):
    return [n, len(api_token)]


def with_a_span(run):
    """What a tool for traces puts around ``run`` of each task."""

    @functools.wraps(run)
    def spanned(*args, **kwargs):
        note("span", args)
        return run(*args, **kwargs)

    return spanned


has_a_span.run = with_a_span(has_a_span.run)


@job(name="habits_sees_its_context")
def sees_its_context():
    seen = [getattr(local, "value", None), variable.get()]
    variable.set("by the task")
    return seen


@task_prerun.connect
def set_context(sender=None, **_):
    local.value = "set"
    variable.set("set")


@task_postrun.connect
def note_context(sender=None, **_):
    if sender.name == sees_its_context.name:
        note("afterwards", local.value, variable.get())


class Doubling(Task):
    name = "habits_doubling"

    def __init__(self):
        self.calls = 0

    def run(self, n, *, word="w"):
        self.calls += 1
        note("run", n, word, self.name)
        return self.twice(n)

    def twice(self, n):
        return n * 2


class Trying(Doubling):
    name = "habits_trying"
    autoretry_for = (Special,)
    retry_kwargs = {"countdown": 0, "max_retries": 2}

    def run(self, n, **kwargs):
        if n < 0:
            note("tries")
            raise Special(n)
        return super().run(n, **kwargs) + 1


doubling, trying = app.register_task(Doubling()), app.register_task(Trying())


class OfTheApp(app.Task):
    abstract = True

    def on_success(self, retval, task_id, args, kwargs):
        note("on_success", retval)


@job(name="habits_is_of_the_app", base=OfTheApp)
def is_of_the_app(n):
    return n


@app.task(name="habits_by_the_app", bind=True)
def by_the_app(self, n):
    return [n, self.app.main]

"""What a worker takes a message for, what a function may be, and when a job may be due."""

import functools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from celery import chain

from tasks.engine import due, lifecycle
from tasks.engine.models import Job
from tasks.params.signature import ParamError
from tasks.worker import trace
from tasks.worker.task import job
from tests.support.calls import call
from tests.support.runs import perform
from tests.tasks import add, plain_task

pytestmark = pytest.mark.django_db(transaction=True)
FAR = 10**12


def wrapped(function):
    """As a decorator of a team's own makes it: no generator or coroutine function any more."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@job(name="task_wrapped_generator", effects="none", max_retries=0)
@wrapped
def wrapped_generator():
    yield 1


@job(name="task_wrapped_coroutine", effects="none")
@wrapped
async def wrapped_coroutine():
    return "it ran"


def test_a_message_that_names_another_kind_than_the_jobs_runs_nothing():
    wanted, _ = lifecycle.submit("add", {"x": 1, "y": 2})
    assert trace.claim(plain_task.kind.name, str(wanted.uid), "w1@here") is None
    wanted.refresh_from_db()
    assert (wanted.state, wanted.attempt) == ("queued", 0)
    assert trace.claim(add.kind.name, str(wanted.uid), "w1@here").state == "running"


def test_a_claim_that_lost_its_answer_is_found_only_by_its_own_kind():
    wanted, _ = lifecycle.submit("add", {"x": 1})
    assert lifecycle.claim(wanted.uid, "w1@here", 1, "noop") is None
    assert lifecycle.claim(wanted.uid, "w1@here", 1, "add").attempt == 1


async def generates():
    yield 1


def generates_too():
    yield 1


@pytest.mark.parametrize("function", [generates, generates_too])
def test_a_generator_is_refused_at_the_start(function):
    with pytest.raises(TypeError, match=f"{function.__name__}: a generator runs only as far as .*: return a list"):
        job(name="task_never")(function)


def test_a_generator_behind_a_decorator_fails_and_says_why():
    wrapped_generator.delay()
    done = perform(Job.objects.get())
    assert (done.state, done.error) == (
        "failed",
        "TypeError: task_wrapped_generator returned a generator, of which nothing has run: return list(…) of it.",
    )


def test_a_coroutine_behind_a_decorator_runs():
    wrapped_coroutine.delay()
    assert perform(Job.objects.get()).result == "it ran"


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"countdown": FAR}, ValueError, "add: a countdown ends before the year 9999, and not after 1e\\+12 s."),
        ({"countdown": float("inf")}, ValueError, "add: a countdown ends before the year 9999, and not after inf s."),
        ({"countdown": float("nan")}, ValueError, "add: a countdown ends before the year 9999, and not after nan s."),
        ({"countdown": "10"}, TypeError, "add: a countdown is a number of seconds, and not str."),
        ({"countdown": timedelta(1)}, TypeError, "add: a countdown is a number of seconds, and not timedelta."),
        ({"eta": "tomorrow"}, TypeError, "add: an eta is a datetime, and not str."),
        (
            {"eta": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14)))},
            ValueError,
            "add: an eta is before",
        ),
    ],
)
def test_a_moment_that_cannot_be_stored_is_refused_where_it_is_asked_for(options, error, sentence):
    with pytest.raises(error, match=sentence):
        add.apply_async((1, 2), **options)
    with pytest.raises(error, match=sentence):
        chain(add.s(1, 2), add.s().set(**options))()
    assert not Job.objects.exists()


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_the_api_takes_no_moment_that_cannot_be_stored(moment):
    answer = call("alice").post("jobs/", {"kind": "noop", "due_at": moment})
    assert answer.status_code == 400, answer.content
    assert "due_at" in str(answer.json()["errors"])


def test_a_moment_without_a_zone_is_in_utc():
    assert due.at(datetime(2030, 1, 1)) == datetime(2030, 1, 1, tzinfo=UTC)
    assert due.in_seconds(None) == 0
    assert 3590 < due.in_seconds(datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)) <= 3600


def test_the_engine_takes_no_moment_that_cannot_be_stored():
    with pytest.raises((ValueError, ParamError)):
        lifecycle.submit("noop", {}, due_at=datetime(9999, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    "options", [{"default_retry_delay": FAR}, {"retry_backoff": FAR}, {"retry_kwargs": {"countdown": FAR}}]
)
def test_a_kind_that_would_wait_for_ever_is_refused_at_the_start(options):
    with pytest.raises(TypeError, match=f"{next(iter(options))}: a countdown ends before the year 9999"):
        job(name="task_never", **options)(add.run)

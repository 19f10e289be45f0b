"""A result raises what its job raised, as Celery's does; code that catches the class goes on to catch it."""

from decimal import Decimal

import pytest
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery.result import AsyncResult

from tasks.engine.models import Job
from tasks.worker.celery_states import raised
from tasks.worker.task import job
from tests.support.runs import perform

pytestmark = pytest.mark.django_db(transaction=True)


class Special(Exception):
    """One argument, as most have."""


class Answer(Exception):
    """Made of a number, and shown as a text."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"answered {status}")


class Two(Exception):
    """Keeps one of its two arguments."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status)


class Odd(Exception):
    def __str__(self) -> str:
        return f"odd: {self.nothing}"


ERRORS = {
    "special": Special("w: x"),
    "answer": Answer(502),
    "key": KeyError("order"),
    "value": ValueError("two\nlines: and a colon"),
    "empty": Special(),
    "file": FileNotFoundError(2, "No such file", "/x"),
    "number": ValueError(1),
    "text of a number": ValueError("1"),
    "list": ValueError([1, {"a": None}]),
    "several": ValueError("Order", 8812, Decimal("1.50")),
    "several texts": ValueError("Order", "late"),
    "answer of two": Two(502, "late"),
    "key that is a number": KeyError(7),
}


@job(name="results_raise", effects="none", max_retries=0)
def raises(which: str) -> None:
    raise ERRORS[which]


@pytest.mark.parametrize("which", ERRORS)
def test_a_result_raises_the_class_that_the_job_raised(which: str) -> None:
    result, was = raises.delay(which), ERRORS[which]
    perform(Job.objects.get())
    for get in (result.get, AsyncResult(result.id).get):
        with pytest.raises(type(was)) as caught:
            get(timeout=1)
        assert str(caught.value) == str(was)
        assert caught.value.args == was.args
        assert getattr(caught.value, "errno", None) == getattr(was, "errno", None)
    assert isinstance(result.get(propagate=False), type(was))
    assert isinstance(result.result, type(was))


def test_an_error_whose_text_is_made_of_its_attributes_has_its_class_and_text() -> None:
    ERRORS["odd"] = Odd()
    ERRORS["odd"].nothing = 1
    result = raises.delay("odd")
    perform(Job.objects.get())
    with pytest.raises(Odd) as caught:
        result.get(timeout=1)
    assert (str(caught.value), type(caught.value).__name__) == ("odd: 1", "Odd")
    del ERRORS["odd"]


def test_what_cannot_be_made_again_is_a_runtime_error_that_names_it() -> None:
    ERRORS["many"] = ExceptionGroup("many", [ValueError("x")])
    result = raises.delay("many")
    perform(Job.objects.get())
    with pytest.raises(RuntimeError, match="ExceptionGroup: many"):
        result.get(timeout=1)
    del ERRORS["many"]


@pytest.mark.parametrize(
    ("error", "traceback"),
    [
        ("SystemExit: 1", "Traceback\nSystemExit: 1"),
        ("system: x", "Traceback\nos.system: x"),
        ("Popen: x", "Traceback\nsubprocess.Popen: x"),
        ("nothing: x", "Traceback\nnot_imported.nothing: x"),
    ],
)
def test_a_text_makes_no_other_objects_and_ends_no_process(error: str, traceback: str) -> None:
    made = raised(Job(state="failed", error=error, traceback=traceback))
    assert (type(made), str(made)) == (RuntimeError, error)


@pytest.mark.parametrize(
    ("error", "kind", "args"),
    [
        ("Time limit: it ran for more than 1 s.", SoftTimeLimitExceeded, ()),
        ("Time limit: the job was stopped after 1.5 s.", TimeLimitExceeded, (1.5,)),
        ("The worker died.", WorkerLostError, ("The worker died.",)),
    ],
)
def test_what_ended_a_process_has_celerys_class(error: str, kind: type[Exception], args: tuple) -> None:
    made = raised(Job(state="failed", error=error))
    assert (type(made), made.args) == (kind, args)


def test_a_cancelled_job_has_no_result_to_give() -> None:
    result = raises.delay("special")
    result.revoke()
    assert str(result.get(propagate=False)) == "revoked by the program"

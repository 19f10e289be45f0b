"""Rows of the table of differences from plain Celery that no other test holds. docs/adopting.md has the table."""

import pytest
from celery import Celery, Task, signals
from celery.bootsteps import StartStopStep
from celery.contrib.testing.worker import start_worker
from celery.result import GroupResult
from celery.worker.request import Request
from django.utils.translation import gettext_lazy

from project import checks
from project.celery import app
from tasks.base import job
from tasks.engine import adoption, broker, lifecycle, options
from tasks.engine.models import Job
from tests.support.calls import call
from tests.support.processes import wait_until
from tests.support.runs import perform
from tests.tasks import add

database = pytest.mark.django_db(transaction=True)


@job(name="difference_tells_of_another", bind=True)
def tells_of_another(self, other: str):
    self.update_state(task_id=other, state="PROGRESS", meta={"current": 1})


@job(name="difference_says_its_eta", bind=True)
def says_its_eta(self):
    return self.request.eta


@job(name="difference_says")
def says(text):
    return [type(text).__name__, text]


@pytest.mark.process
def test_task_received_is_sent_for_messages_and_has_no_arguments(sides):
    plain, ours = (sides(name).run("cases", "received_of_five_calls") for name in ("plain", "ours"))
    assert plain.saw == ours.saw == [1, 2, 3, 4, 5]
    counted = [[line for line in side.log if line.startswith("received")] for side in (plain, ours)]
    assert counted[0] == [f"received ({n},) {{}}" for n in range(1, 6)]
    assert 1 <= len(counted[1]) <= 5 and set(counted[1]) == {"received () {}"}


@pytest.mark.process
def test_a_retry_that_is_raised_by_hand_runs_nothing_again_and_is_a_failure_that_says_so(sides):
    plain, ours = (sides(name).run("calls", "retry_by_hand") for name in ("plain", "ours"))
    kept = [line for line in ours.log if not line.startswith("received")]  # of calls that an earlier case left
    assert plain.log == kept == ["raises Retry", "the end", "the end"]
    assert plain.saw == ["RETRY", "NoneType: None"]
    said = "RuntimeError: Retry was raised without a call of retry(), so nothing would run the task again: raise"
    assert ours.saw == ["FAILURE", f"{said} self.retry(…)."]


@pytest.mark.process
def test_a_process_that_is_ended_at_its_hard_limit_is_told_of_once_with_the_call(sides):
    plain, ours = (sides(name).run("others", "failure_of_a_hard_limit") for name in ("plain", "ours"))
    assert plain.saw == ours.saw == ["FAILURE", "TimeLimitExceeded: TimeLimitExceeded(1,)"]
    told = "failure of the limit TimeLimitExceeded [1] {}"
    assert wait_until(lambda: told in sides("ours").log.read_text(), 10, "the signal")
    assert set(plain.log) <= {told} and sides("ours").log.read_text().count(told) == 1


@database
def test_the_state_of_another_job_cannot_be_set():
    other, _ = lifecycle.submit("noop", {})
    done = perform(Job.objects.get(uid=tells_of_another.delay(str(other.uid)).id))
    assert done.state == "failed"
    assert "difference_tells_of_another: update_state cannot set the state of another job" in done.error
    assert Job.objects.get(pk=other.pk).state == "queued"


@database
def test_a_group_is_not_saved_and_a_forgotten_result_stays():
    result = add.delay(1, 2)
    group = GroupResult("g", [result], app=add.app)
    result.forget()
    for action in (group.save, group.delete, lambda: GroupResult.restore("g", app=add.app)):
        with pytest.raises(NotImplementedError, match="A group is not stored, and a result is its job's row"):
            action()
    assert Job.objects.get().state == "queued"


@database
def test_a_lazy_text_arrives_as_text():
    done = perform(Job.objects.get(uid=says.delay(gettext_lazy("Monday")).id))
    assert done.result == ["str", "Monday"]


@database
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"exchange": "e"}, "the option 'exchange' cannot be honoured for a job"),
        ({"priority": 100}, "a priority is a whole number from 0 to 9"),
        ({"contdown": 3}, "a call has no option 'contdown'; if countdown is not meant, take another name"),
        ({"once": {1, 2}}, "a job keeps at most 8 KiB of JSON of options that Celery does not know: 'once'"),
        ({"once": "x" * 9_000}, "a job keeps at most 8 KiB of JSON of options that Celery does not know: 'once'"),
    ],
)
def test_an_option_of_a_broker_or_a_misspelt_one_is_named(option, said):
    with pytest.raises((TypeError, ValueError), match=f"add: {said}"):
        add.apply_async((1, 2), **option)
    assert not Job.objects.exists()


@database
def test_publishing_is_said_of_calls_from_code_only():
    said = []

    def heard(sender=None, **_):
        said.append(sender)

    alice, ada = call("alice"), call("ada")
    planned = {"name": "adds", "kind": "add", "params": {"x": 1}, "every_s": 3600}
    signals.before_task_publish.connect(heard)
    try:
        assert alice.post("jobs/", {"kind": "add", "params": {"x": 1}}).status_code == 201
        made = ada.post("schedules/", planned)
        assert made.status_code == 201, made.content
        assert ada.post(f"schedules/{made.json()['id']}/run/").status_code in (200, 201)
        assert (Job.objects.count(), said) == (2, [])
        add.delay(1)
        assert said == ["tests.tasks.add"]
    finally:
        signals.before_task_publish.disconnect(heard)


class OwnRequest(Request):
    """Celery's worker would make one for each message."""


class HasRequest(Task):
    Request = OwnRequest


def test_a_request_of_a_class_is_not_used_and_named_by_a_check():
    @job(name="difference_has_a_request", base=HasRequest)
    def has_a_request(): ...

    assert has_a_request.Request != OwnRequest
    (named,) = [each.msg for each in checks.requests_of_classes(None) if each.msg.startswith("HasRequest")]
    assert named == "HasRequest.Request is not used: a worker makes requests of its own."
    options.unused_requests.discard("HasRequest")


class HasCalls(Task):
    def apply_async(self, *args, **options):
        return super().apply_async(*args, **options)


def test_a_class_with_calls_of_its_own_is_named_by_a_check():
    @job(name="difference_has_calls", base=HasCalls)
    def has_calls(): ...

    (said,) = [each for each in checks.calls_of_classes(None) if "HasCalls" in each.msg]
    assert "not for later steps of a chain or chord" in said.msg and "before_start" in said.hint
    options.own_calls.discard(f"{__name__}.HasCalls")


def hears(**_): ...


class Liveness(StartStopStep):
    """What teams add to a worker for the probes of Kubernetes."""


def test_signals_and_bootsteps_that_no_worker_of_jobs_runs_are_named_by_a_check(monkeypatch):
    assert checks.parts_of_workers(None) == []
    theirs = Celery("difference_steps", set_as_current=False)
    theirs.steps["worker"].add(Liveness)
    monkeypatch.setattr(adoption, "served", [theirs])
    for signal in (signals.task_revoked, signals.heartbeat_sent):
        signal.connect(hears)
    try:
        said = [each.msg for each in checks.parts_of_workers(None)]
    finally:
        for signal in (signals.task_revoked, signals.heartbeat_sent):
            signal.disconnect(hears)
    assert said == [
        f"task_revoked is not sent by workers of jobs, and has receivers: {__name__}.hears.",
        f"heartbeat_sent is not sent by workers of jobs, and has receivers: {__name__}.hears.",
        f"Workers of jobs run no bootsteps of difference_steps: {__name__}.Liveness.",
    ]


class Pickling(Task):
    serializer = "pickle"


@database
def test_pickle_is_refused_by_a_kind_its_class_and_a_call():
    said = "serializer='pickle' cannot be honoured: the arguments of a job are JSON"
    for given in ({"serializer": "pickle"}, {"base": Pickling}):
        with pytest.raises(TypeError, match=said):
            job(name="difference_pickles", **given)(says.run)
    with pytest.raises(TypeError, match=f"difference_says: {said}"):
        says.apply_async(("x",), serializer="pickle")
    assert not Job.objects.exists()


@database
def test_the_moment_for_which_a_job_was_planned_is_not_in_its_request():
    assert perform(Job.objects.get(uid=says_its_eta.apply_async(countdown=0).id)).result is None


@pytest.mark.long
@database
def test_a_worker_in_the_process_of_a_test_runs_jobs_when_it_is_one_of_our_app(monkeypatch):
    monkeypatch.setattr(broker, "_quiet_until", 0.0)  # nobody here sends again what is not sent at once
    with start_worker(app, perform_ping_check=False):
        assert says.delay("x").get(timeout=20) == ["str", "x"]
        with pytest.raises(TimeoutError):
            says.apply_async(("y",), countdown=0.2).get(timeout=2)

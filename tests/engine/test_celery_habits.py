"""What a Celery user does by habit: it works, or it is refused in one sentence, and nothing is lost in silence."""

import asyncio
import os
import sys
from typing import Annotated

import pytest
from celery import Task, chain, group, shared_task, xmap
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Retry, TaskRevokedError
from celery.result import AsyncResult, GroupResult
from celery.signals import task_success

from tasks.base import job
from tasks.engine import lease, lifecycle
from tasks.engine.models import Job
from tasks.engine.report import current_report
from tasks.params.signature import Secret
from tasks.worker import pulse
from tests.support.calls import call
from tests.support.runs import perform
from tests.tasks import add, breaks


def message(task, uid: str) -> object:
    """What a worker's child does with a message."""
    task.__trace__ = build_tracer(task.name, task, app=task.app)
    return task.__trace__(uid, [], {}, {"id": uid, "hostname": "w1@here", "is_eager": False})


pytestmark = pytest.mark.django_db(transaction=True)


class Refused(Exception):
    """Cannot be pickled and made again: two arguments, one kept."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code} {why}")


class Tells(Task):
    """A base class as teams write them: it gets how each task ended."""

    received: list = []

    def on_success(self, retval, task_id, args, kwargs):
        self.received.append(("success", retval, task_id, kwargs))

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        self.received.append(("failure", str(exc), task_id, kwargs))

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        self.received.append(("retry", str(exc), task_id, kwargs))


@job(name="habit_is_told", base=Tells, bind=True, team="billing", max_retries=1)
def is_told(self, how: str, key: Annotated[str, Secret] = "k3y") -> str:
    if how == "retry":
        raise self.retry(exc=ValueError("not yet"))
    if how == "failure":
        raise ValueError("no")
    return f"{self.team}, {how}"


@job(name="habit_ends")
def ends(report, how: str) -> str:
    match how:
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "generator":
            raise GeneratorExit
        case "asyncio":
            raise asyncio.CancelledError
    return how


@job(name="habit_forks")
def forks(report) -> str:
    if os.fork() == 0:
        return "the child's"
    os.wait()
    return "the parent's"


@job(name="habit_tries_again", autoretry_for=(Refused,), retry_backoff=5, max_retries=1)
def tries_again(report) -> None:
    raise Refused(502, "from bank")


@job(name="habit_again", bind=True, max_retries=2)
def again(self, how: str, headers: dict | None = None) -> None:
    try:
        self.retry(countdown=30, throw=how == "caught", headers=headers)
    except Retry:
        return
    if how == "raise":
        raise ValueError("not yet")
    if how != "return":
        raise {"Retry": Retry, "Ignore": Ignore}[how]


@job(name="habit_tells", bind=True)
def tells(self) -> None:
    self.update_state(state="PROGRESS", meta={"current": 3, "total": 10, "description": "Reading"})


@pytest.mark.parametrize(
    "how, error",
    [
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("generator", "GeneratorExit"),
        ("asyncio", "CancelledError"),
    ],
)
def test_a_job_that_raises_what_ends_a_process_has_failed_and_does_not_come_back_for_ever(how, error):
    ends.delay(how=how)
    done = perform(Job.objects.get())
    assert (done.state, done.error, done.attempt) == ("failed", error, 1)


def test_the_child_of_a_job_that_forks_does_not_end_the_job():
    forks.delay()
    assert perform(Job.objects.get()).result == "the parent's"


def test_an_error_that_cannot_be_pickled_is_shown_as_it_was_raised():
    tries_again.delay()
    done = perform(Job.objects.get())
    assert (done.state, done.error) == ("retrying", "Refused: 502 from bank")


def test_celerys_way_to_report_progress_moves_the_bar():
    tells.delay()
    shown = perform(Job.objects.get()).summary()["progress"]
    assert shown == {"done": 3, "total": 10, "note": "Reading"}


def test_a_result_answers_what_callers_of_celery_ask():
    good, bad = add.delay(1, 2), breaks.delay()
    assert (good.ready(), good.successful(), good.result) == (False, False, None)
    for each in Job.objects.all():
        perform(each)
    assert (good.ready(), good.successful(), good.failed(), good.result, good.info) == (True, True, False, 3, 3)
    assert (bad.ready(), bad.successful(), bad.failed()) == (True, False, True)
    assert (type(bad.result), str(bad.result)) == (RuntimeError, "broken")
    assert "in breaks" in bad.traceback
    assert (good.name, good.args, good.kwargs) == ("tests.tasks.add", [1, 2], {})
    assert (good.retries, good.date_done.year > 2000) == (0, True)


def test_a_group_knows_when_it_is_done():
    both = group(add.s(1), add.s(2)).delay()
    assert (both.ready(), both.completed_count()) == (False, 0)
    for each in Job.objects.all():
        perform(each)
    assert (both.ready(), both.successful(), both.completed_count(), both.get()) == (True, True, 2, [2, 3])


@pytest.mark.parametrize("terminate", [False, True])
@pytest.mark.parametrize("way", ["result", "AsyncResult", "control", "group"])
def test_revoke_cancels_the_job_and_says_so(way, terminate, caplog):
    result = add.delay(1, 2)
    caplog.set_level("INFO", "tasks.worker.control")
    match way:
        case "result":
            result.revoke(terminate=terminate)
        case "AsyncResult":
            AsyncResult(result.id, app=add.app).revoke(terminate=terminate)
        case "control":
            said = add.app.control.revoke(result.id, terminate=terminate, reply=True)
            assert said == [{"signalbox": {"ok": {result.id: "The job is cancelled."}}}]
        case "group":
            GroupResult("g", [result], app=add.app).revoke(terminate=terminate)
    assert (result.state, result.ready(), result.successful()) == ("REVOKED", True, False)
    assert f"revoke {result.id}: The job is cancelled." in caplog.text
    with pytest.raises(TaskRevokedError):
        result.get(timeout=1)


def test_revoke_says_that_it_came_too_late():
    done = add.delay(1, 2)
    perform(Job.objects.get(uid=done.id))
    said = add.app.control.revoke([done.id, "order-17"], reply=True)
    assert done.state == "SUCCESS"
    assert list(said[0]["signalbox"]["ok"].values()) == [
        "Too late to cancel: the job has succeeded.", "There is no such job, so nothing was revoked."
    ]  # fmt: skip


@job(name="habit_states", bind=True)
def states_of_its_own(self, end: str = "return") -> str:
    self.update_state(state="PROGRESS", meta={"current": 3, "n": 7})
    job = Job.objects.get(uid=self.request.id)
    lease.flush(job, current_report().take())  # as the pulse does within a quarter of a second
    found = AsyncResult(self.request.id, app=self.app)
    seen = f"{found.state} {found.info}"
    if end != "return":
        self.update_state(state=end, meta={"exc_type": "Special", "exc_message": ["no stock"]})
        raise Ignore
    return seen


@pytest.mark.parametrize(
    ("end", "state", "celery", "shown"),
    [
        ("return", "succeeded", "SUCCESS", "PROGRESS {'current': 3, 'n': 7}"),
        ("FAILURE", "failed", "FAILURE", "Special: no stock"),
        ("SUCCESS", "succeeded", "SUCCESS", {"exc_type": "Special", "exc_message": ["no stock"]}),
        ("OWN", "cancelled", "OWN", {"exc_type": "Special", "exc_message": ["no stock"]}),
    ],
)
def test_a_state_of_the_codes_own_is_read_by_callers(end, state, celery, shown):
    result = states_of_its_own.delay(end)
    done = perform(Job.objects.get())
    assert (done.state, result.state, AsyncResult(result.id, app=add.app).state) == (state, celery, celery)
    assert (str(result.result) if isinstance(result.result, Exception) else result.result) == shown


@pytest.mark.parametrize(
    "option",
    [
        {"routing_key": "x"},
        {"argsrepr": "(•••)"},
        {"kwargsrepr": "{•••}"},
    ],
)
def test_an_option_of_a_call_that_means_nothing_is_refused_by_name(option):
    with pytest.raises(TypeError, match=f"add: the option '{next(iter(option))}' cannot be honoured for a job: "):
        add.apply_async((1, 2), **option)
    assert not Job.objects.exists()


def test_an_id_that_is_none_is_refused_in_words():
    with pytest.raises(ValueError, match="add: the id of a job is a UUID, and task_id is none"):
        add.apply_async((1, 2), task_id="order-17")


@pytest.mark.parametrize(("name", "why"), [("tells_all", "a secret"), ("serial", "a serial_key"), ("holds", "on_lost")])
@pytest.mark.parametrize("ask", ["delay", "chain"])
def test_calls_that_are_to_be_jobs_of_their_own_are_not_mapped(name, why, ask):
    mapped = add.app.tasks[name].map(["x"])
    with pytest.raises(
        TypeError, match=f"{name} has {why}.*, so each call is a job of its own: make a group of {name}.s"
    ):
        mapped.delay() if ask == "delay" else chain(add.s(1), mapped).delay()
    assert not Job.objects.exists()


def test_a_plain_task_is_not_mapped_by_a_job():
    @shared_task(name="habit_plain_mapped")
    def plain(x): ...

    with pytest.raises(LookupError, match="There is no kind of job named 'habit_plain_mapped'"):
        xmap(plain.s(), [1], app=add.app).delay()
    with pytest.raises(TypeError, match=r"Chunks are a group: .* task.chunks\(…\).group\(\)"):
        chain(add.s(1), add.chunks([(1, 2)], 1)).delay()
    assert not Job.objects.exists()


def test_a_map_waits_in_the_queue_of_what_it_calls_shows_its_name_and_is_made_by_code_only():
    add.app.tasks["site_sizes"].map(["x"]).delay()
    add.starmap([(1, 2), (3, 4)]).apply_async(priority=9, queue="io2")
    feed, plain = Job.objects.order_by("pk")
    assert (feed.kind, feed.queue, feed.title) == ("map_task", "io", "site_sizes")
    assert (plain.kind, plain.queue, plain.title, plain.priority) == ("starmap_task", "io2", "add", 9)
    done = perform(plain)
    assert (done.result, done.progress_done, done.progress_total) == ([3, 7], 2, 2)
    body = {"kind": "map_task", "params": {"task": "noop", "it": []}}
    assert call("ada").post("jobs/", body).status_code == 403


@pytest.mark.parametrize("how", ["return", "raise", "Retry", "caught"])
def test_a_retry_that_was_asked_for_counts_whatever_the_code_does_then(how):
    again.delay(how)
    done = perform(Job.objects.get())
    assert (done.state, done.error) == ("retrying", "ValueError: not yet" if how == "raise" else "Retry: Retry in 30s")
    assert done.due_at is not None


def test_an_attempt_that_says_that_it_ends_is_not_tried_again():
    again.delay("Ignore")
    assert perform(Job.objects.get()).state == "cancelled"


def test_a_job_that_is_tried_again_stays_in_its_group():
    made = group(again.s("return"), again.s("return", {"tenant": "acme"})).delay()
    for each in Job.objects.all():
        perform(each)
    assert [job.headers["signalbox_group"] for job in Job.objects.order_by("pk")] == [[made.id, 0], [made.id, 1]]
    assert Job.objects.order_by("pk")[1].headers["tenant"] == "acme"


def test_a_worker_that_gets_sigterm_gives_its_job_back(monkeypatch):
    monkeypatch.setattr(pulse, "stopping", lambda: True)
    ends.delay(how="exit")
    job = Job.objects.get()
    claimed = lifecycle.claim(job.uid, "w1@here", 1)
    with pytest.raises(SystemExit):
        ends.perform(claimed)
    job.refresh_from_db()
    assert (job.state, job.failures) == ("queued", 0)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"time_limt": 4}, "a job has no option 'time_limt'; if time_limit is not meant, take another name"),
        ({"on_losst": "fail"}, "a job has no option 'on_losst'; if on_lost is not meant, take another name"),
        ({"run": 4}, "a job has no option 'run'"),
        ({"on_lost": "maybe"}, "on_lost is one of retry, fail, and not 'maybe'"),
        ({"effects": "many"}, "effects is one of none, idempotent, once, and not 'many'"),
        ({"lease": "10"}, "lease is a number of seconds, and not '10'"),
        ({"priority": 10}, "priority is a whole number from 0 to 9, and not 10"),
        ({"serial_key": "{feed}"}, "serial_key names 'feed', which is no parameter of the job"),
    ],
)
def test_an_option_of_a_kind_that_is_wrong_stops_the_start_in_one_sentence(options, sentence):
    with pytest.raises(TypeError) as refused:
        job(name="habit_never", **options)(add.run)
    assert str(refused.value) == f"tests.tasks.add: {sentence}"


def test_two_kinds_of_one_name_are_refused():
    with pytest.raises(TypeError, match=r"\.noop is named 'noop' already; give one of them a name="):
        job(name="noop")(add.run)


def test_the_retries_of_retry_kwargs_are_counted_as_celery_counts_them():
    @job(name="habit_counts", autoretry_for=(Refused,), retry_kwargs={"max_retries": 7})
    def counts() -> None: ...

    assert lifecycle.submit("habit_counts", {})[0].max_attempts == 8


@pytest.mark.parametrize(("how", "said"), [("success", "billing, success"), ("failure", "no"), ("retry", "not yet")])
def test_a_class_of_ones_own_gets_how_jobs_end_and_attributes_stay(how, said):
    Tells.received.clear()
    result = is_told.delay(how=how)
    # As a worker's child runs a message: through Celery's own tracer.
    message(is_told, result.id)
    assert Tells.received == [(how, said, result.id, {"how": how, "key": "•••"})]
    assert result.state == {"success": "SUCCESS", "failure": "FAILURE", "retry": "RETRY"}[how]


def test_signals_get_what_a_job_returned():
    received = []
    receiver = task_success.connect(lambda sender, result, **_: received.append((sender.name, result)), weak=False)
    try:
        result = add.delay(1, 2)
        message(add, result.id)
    finally:
        task_success.disconnect(receiver)
    assert received == [("tests.tasks.add", 3)]


def test_celerys_own_result_is_answered_from_the_row_in_celerys_words():
    waiting, done, broken = add.delay(1, 2), add.delay(1, 2), breaks.delay()
    for each in (done, broken):
        perform(Job.objects.get(uid=each.id))
    found = [AsyncResult(each.id) for each in (waiting, done, broken)]
    assert [(each.status, each.ready(), each.successful()) for each in found] == [
        ("PENDING", False, False), ("SUCCESS", True, True), ("FAILURE", True, False),
    ]  # fmt: skip
    assert found[1].get(timeout=1) == 3
    with pytest.raises(RuntimeError, match="broken"):
        found[2].get(timeout=1)
    assert AsyncResult("order-17").status == "PENDING"


def test_a_plain_task_in_a_chain_of_jobs_is_refused_with_what_to_do():
    @shared_task(name="habit_plain")
    def plain(x): ...

    with pytest.raises(LookupError, match="habit_plain is no job, and steps of a chain of jobs are: give it @job"):
        chain(add.s(1, 2), plain.s())()
    assert not Job.objects.exists()


def test_a_job_asked_for_at_the_commit_is_there():
    add.delay_on_commit(1, 2)
    add.apply_async_on_commit((3, 4))
    assert [job.params for job in Job.objects.order_by("pk")] == [{"x": 1, "y": 2}, {"x": 3, "y": 4}]


@pytest.mark.parametrize("seconds", ["4", -1, True])
def test_a_time_limit_of_a_call_that_is_no_number_of_seconds_is_refused(seconds):
    with pytest.raises(TypeError, match="add: a time limit is a number of seconds, and not"):
        add.apply_async((1, 2), soft_time_limit=seconds)
    assert not Job.objects.exists()

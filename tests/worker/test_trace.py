"""Claim, then trace: what Celery's tracer, signals and base classes see of a job, and which job follows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from celery import Task, chain, signals
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Reject

from tasks.base import current_report, job
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tests.support.processes import wait_until
from tests.tasks import add, asks_again, breaks

pytestmark = pytest.mark.django_db(transaction=True)
visited: list[Any] = []


class Guarded(Task):
    """As teams have them: something before and around each task, and options for all of them."""

    max_retries = 5
    queue = "guarded"
    default_retry_delay = 0

    def before_start(self, task_id, args, kwargs):
        visited.append(("before", task_id, kwargs, *Job.objects.filter(uid=task_id).values_list("state", flat=True)))
        if kwargs.get("how") == "refused":
            raise ValueError("not now")

    def __call__(self, *args, **kwargs):
        visited.append(("call", self.request.id))
        return f"<{super().__call__(*args, **kwargs)}>"

    def apply_async(self, args=None, kwargs=None, **options):
        visited.append(("apply_async", kwargs))
        return super().apply_async(args, {**kwargs, "how": kwargs["how"].lower()}, **options)


class Straight(Task):
    def __call__(self, *args, **kwargs):
        return self.run(*args, **kwargs)


@job(name="trace_guarded", base=Guarded, bind=True)
def guarded(self, how: str = "fine") -> str:
    if how == "retry":
        raise self.retry(exc=KeyError(how))
    return f"{how} {self.request.called_directly} {self.request.is_eager}"


@job(name="trace_straight", base=Straight)
def straight(n: int) -> int:
    return n and 1 + straight(n - 1)


@job(name="trace_tree", bind=True)
def tree(self, node: str, depth: int = 2) -> int:
    visited.append((node, self.request.id))
    current_report().log(node)
    return 1 + sum(tree(f"{node}.{child}", depth - 1) for child in (1, 2) * bool(depth)) + (add(1, 2) - 3)


@job(name="trace_stops", bind=True)
def stops(self, what: str) -> str:
    visited.append([[each["task"] for each in part or ()] for part in (self.request.chain, self.request.callbacks)])
    match what:
        case "chain":
            self.request.chain = None
        case "callbacks":
            self.request.callbacks = []
        case "both":
            self.request.chain = self.request.callbacks = None
        case "last":
            del self.request.chain[0]
        case "foreign":
            self.request.callbacks = [add.s(1)]
        case "ignore":
            raise Ignore
        case "reject":
            raise Reject("no", requeue=False)
        case "requeue":
            raise Reject("not now", requeue=True)
    return what


@pytest.fixture(autouse=True)
def fresh() -> None:
    visited.clear()


def message(task: Any, uid: str) -> Any:
    """What a worker's child does with a message."""
    task.__trace__ = build_tracer(task.name, task, app=task.app)
    return task.__trace__(uid, [], {}, {"id": uid, "hostname": "w1@here", "is_eager": False})


@contextmanager
def received() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    names = ("task_prerun", "task_postrun", "task_success", "task_failure", "task_retry", "task_internal_error")
    said: list[tuple[str, dict[str, Any]]] = []
    each = {
        name: (lambda sender=None, name=name, **reported: said.append((name, {**reported, "name": sender.kind.name})))
        for name in names
    }
    for name, receiver in each.items():
        getattr(signals, name).connect(receiver, weak=False)
    yield said
    for name, receiver in each.items():
        getattr(signals, name).disconnect(receiver)


def test_a_message_that_gets_no_job_fires_no_signal_and_leaves_no_success():
    result = add.delay(1, 2)
    lifecycle.claim(Job.objects.get().uid, "w2@here", 2)
    with received() as said:
        answers = [message(add, uid) for uid in (result.id, str(uuid4()), "no-uuid")]
    assert said == []
    assert [answer.info.state for answer in answers] == ["IGNORED"] * 3
    assert [type(getattr(answer.retval.exception, "exc", answer.retval.exception)) for answer in answers] == [
        Ignore
    ] * 3


def test_signals_are_given_the_jobs_own_arguments():
    results = add.delay(x=1, y=2), breaks.delay()
    with received() as said:
        message(add, results[0].id), message(breaks, results[1].id)
    assert [(name, reported["name"]) for name, reported in said] == [
        ("task_prerun", "add"), ("task_success", "add"), ("task_postrun", "add"),
        ("task_prerun", "breaks"), ("task_failure", "breaks"), ("task_postrun", "breaks"),
    ]  # fmt: skip
    assert [(said[n][1]["task_id"], said[n][1]["kwargs"]) for n in (0, 2)] == [(results[0].id, {"x": 1, "y": 2})] * 2
    assert [said[2][1][name] for name in ("state", "retval")] == ["SUCCESS", 3]
    assert (said[5][1]["state"], str(said[4][1]["exception"])) == ("FAILURE", "broken")


def test_a_base_class_runs_inside_the_attempt():
    uid = guarded.delay(how="FINE").id
    message(guarded, uid)
    assert visited == [
        ("apply_async", {"how": "FINE"}),
        ("before", uid, {"how": "fine"}, "running"),
        ("call", uid),
    ]
    assert Job.objects.get().result == "<fine False False>"


def test_what_before_start_raises_ends_the_job():
    message(guarded, guarded.delay(how="refused").id)
    done = Job.objects.get()
    assert (done.state, done.error) == ("failed", "ValueError: not now")
    assert ("call", str(done.uid)) not in visited


def test_attributes_of_a_base_class_count_before_ours():
    message(guarded, guarded.delay(how="retry").id)
    done = Job.objects.get()
    assert (done.state, done.max_attempts, done.queue) == ("retrying", 6, "guarded")


def test_a_base_class_runs_in_eager_mode_too():
    assert guarded.apply(kwargs={"how": "fine"}).get() == "<fine False True>"
    assert guarded(how="fine") == "<fine True False>"
    assert [each[0] for each in visited] == ["before", "call", "call"]


@pytest.mark.parametrize("n", [0, 3])
def test_a_base_class_may_call_run_itself(n):
    message(straight, straight.delay(n).id)
    assert Job.objects.get().result == n


def test_a_direct_call_inside_a_job_is_a_plain_call():
    uid = tree.delay("0").id
    message(tree, uid)
    assert Job.objects.get().result == 7, "one job, and seven nodes visited"
    assert len(visited) == 7 and visited[0] == ("0", uid)
    assert Job.objects.get().log.count() == 7


@pytest.mark.parametrize(
    ("what", "following"),
    [
        ("nothing", ["add", "tree"]), ("chain", ["tree"]), ("callbacks", ["add"]), ("both", []),
        ("last", ["add", "tree"]), ("ignore", []), ("reject", []), ("requeue", []), ("foreign", []),
    ],
)  # fmt: skip
def test_code_can_stop_what_would_follow_it(what, following):
    first = chain(stops.si(what), add.si(1, 1), add.si(2, 2))
    first.tasks[0].link(tree.si("0", 0))
    result = first()
    uid = result.parent.parent.id
    message(stops, uid)
    assert visited == [[["add", "add"], ["trace_tree"]]]
    begun = Job.objects.filter(parent=uid).order_by("kind")
    assert [each.kind.removeprefix("trace_") for each in begun] == following
    if what == "last":
        assert begun[0].then is None
    state, reason, error = Job.objects.values_list("state", "cancel_reason", "error").get(uid=uid)
    assert (state, reason, error) == {
        "ignore": ("cancelled", "ignored by the task", ""),
        "reject": ("cancelled", "rejected by the task", ""),
        "requeue": ("failed", "", error),
        "foreign": ("failed", "", error),
    }.get(what, ("succeeded", "", ""))
    if what == "requeue":
        assert (
            error
            == "Reject: ('not now', True). A requeue has no limit and is not honoured: raise self.retry() instead."
        )
    if what == "foreign":
        assert error.startswith("TypeError: A job can take steps out of what follows, and not put one in: ")


def test_a_job_ends_although_celerys_tracer_does_not_reach_its_code():
    uid = add.delay(1, 2).id

    @signals.task_prerun.connect
    def ends_the_process(**_):
        raise SystemExit(3)

    try:
        with pytest.raises(SystemExit):
            message(add, uid)
    finally:
        signals.task_prerun.disconnect(ends_the_process)
    assert [(each.state, each.error) for each in Job.objects.all()] == [("failed", "SystemExit: 3")]


@pytest.mark.process
@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_pool_without_children_claims_and_traces_too(start_worker, pool):
    start_worker(pool=pool, concurrency=1)
    again, both = asks_again.delay(), chain(add.s(1, 2), add.s(3))()
    wait_until(lambda: again.ready() and both.ready(), 30, "the end of all")
    assert (again.state, Job.objects.get(uid=again.id).attempt) == ("FAILURE", 3)
    assert (both.state, both.result) == ("SUCCESS", 6)

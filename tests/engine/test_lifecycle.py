"""States move along one table and no other way: every other move is refused and writes nothing."""

import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from live import push
from tasks.engine import lease, lifecycle, notify
from tasks.engine.errors import Failure, KeyReused
from tasks.engine.models import Attempt, Job, LogLine
from tasks.engine.report import Report
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)
FAILURE = Failure("GatewayError: 502", "Traceback …", "k")

# verb: (the states it moves from, the state it moves to)
TABLE = {
    "claim": ({"queued"}, "running"),
    "succeed": ({"running"}, "succeeded"),
    "fail": ({"running"}, "failed"),
    "retry_later": ({"running"}, "retrying"),
    "cancel_acknowledged": ({"running"}, "cancelled"),
    "ignore": ({"running"}, "cancelled"),
    "release": ({"running"}, "queued"),
    "rescue": ({"running"}, "queued"),
    "wake": ({"scheduled", "retrying"}, "queued"),
    "cancel": ({"scheduled", "queued", "retrying"}, "cancelled"),
    "retry": ({"failed", "cancelled"}, "queued"),
    "take_back": ({"cancelled"}, "queued"),
}


def job_in(state: str) -> Job:
    """A job brought to ``state`` by the moves themselves."""
    if state == "scheduled":
        return lifecycle.submit("noop", {}, due_at=lifecycle.now() + timedelta(seconds=0.2))[0]
    job = lifecycle.submit("noop", {})[0]
    if state == "queued":
        return job
    if state == "cancelled":
        return lifecycle.cancel(job.uid)
    job = lifecycle.claim(job.uid, "w1@here", 1)
    match state:
        case "succeeded":
            return lifecycle.succeed(job, 1, Report().take())
        case "failed":
            return lifecycle.fail(job, FAILURE)
        case "retrying":
            return lifecycle.retry_later(job, 0, FAILURE)
    return job


def make(verb: str, job: Job) -> None:
    """Try a move, whatever the state; a refusal by exception is as good as one by None."""
    news = Report().take()
    match verb:
        case "claim":
            lifecycle.claim(job.uid, "w2@here", 2)
        case "succeed":
            lifecycle.succeed(job, {"n": 1}, news)
        case "fail" | "rescue":
            getattr(lifecycle, verb)(job, *([FAILURE] if verb == "fail" else []))
        case "retry_later":
            lifecycle.retry_later(job, 5, FAILURE, news)
        case "ignore":
            lifecycle.ignore(job, "ignored by the task", news)
        case "cancel_acknowledged" | "release":
            getattr(lifecycle, verb)(job, news=news)
        case "wake":
            Job.objects.filter(due_at__isnull=False).update(due_at=lifecycle.now())
            lifecycle.wake()
        case "cancel" | "retry" | "take_back":
            try:
                getattr(lifecycle, verb)(job.uid)
            except lifecycle.NotInState as refused:
                assert refused.job.state == job.state


@pytest.mark.long
@pytest.mark.parametrize("verb", TABLE)
@pytest.mark.parametrize("state", Job.OWN)
def test_the_table_of_moves(state, verb):
    job = job_in(state)
    assert job.state == state
    reported = []
    push_job, push.job_changed = push.job_changed, reported.append
    try:
        make(verb, job)
    finally:
        push.job_changed = push_job
    after = Job.objects.get(pk=job.pk)
    froms, to = TABLE[verb]
    if state in froms:
        assert (after.state, after.version) == (to, job.version + 1)
        assert [(t["id"], t["version"], t["state"]) for t in reported] == [(str(job.uid), after.version, to)]
    else:
        assert after.state == state
        # the one thing that is written without a move: somebody asks a running job to stop
        asked = verb == "cancel" and state == "running"
        assert after.version == job.version + asked
        assert len(reported) == asked


@pytest.mark.parametrize(
    "verb", ["succeed", "fail", "retry_later", "cancel_acknowledged", "ignore", "release", "rescue"]
)
def test_a_stale_attempt_writes_nothing(verb):
    stale = job_in("running")
    lifecycle.rescue(stale)
    holder = lifecycle.claim(stale.uid, "w2@here", 2)
    make(verb, stale)
    after = Job.objects.get(pk=stale.pk)
    assert (after.state, after.attempt, after.version) == ("running", 2, holder.version)
    assert LogLine.objects.count() == 0


def test_an_attempt_that_ends_after_its_job_was_given_away_is_shown_as_fenced():
    stale = job_in("running")
    lifecycle.rescue(stale)
    holder = lifecycle.claim(stale.uid, "w2@here", 2)
    assert lifecycle.succeed(stale, "too late", Report().take()) is None
    assert lifecycle.succeed(holder, "in time", Report().take()).result == "in time"
    outcomes = [(row["number"], row["outcome"]) for row in Job.objects.get(pk=stale.pk).attempt_list()]
    assert outcomes == [(1, "fenced"), (2, "succeeded")]


def test_losses_are_counted_until_the_attempts_are_spent():
    job = lifecycle.submit("noop", {})[0]
    for _ in range(job.max_attempts):
        assert lifecycle.rescue(lifecycle.claim(job.uid, "w@here", 1))
    job.refresh_from_db()
    assert (job.state, job.attempt, job.error) == ("failed", 4, "The worker died.")
    assert [a.outcome for a in Attempt.objects.order_by("number")] == ["lost"] * 4


def test_a_release_is_not_counted():
    job = lifecycle.submit("noop", {})[0]
    for _ in range(10):
        assert lifecycle.release(lifecycle.claim(job.uid, "w@here", 1))
    job.refresh_from_db()
    assert (job.state, job.attempt, job.failures) == ("queued", 10, 0)


def test_a_lost_job_that_somebody_wanted_cancelled_is_cancelled():
    job = job_in("running")
    lifecycle.cancel(job.uid, person("bob"), "not needed")
    lost = lifecycle.rescue(Job.objects.get(pk=job.pk))
    assert (lost.state, lost.cancel_reason) == ("cancelled", "not needed")


@pytest.mark.parametrize("verb", ["retry_later", "release"])
def test_no_further_attempt_starts_for_a_job_that_somebody_wants_to_stop(verb):
    job = job_in("running")
    lifecycle.cancel(job.uid, person("bob"), "not needed")
    make(verb, job)
    after = Job.objects.get(pk=job.pk)
    assert (after.state, after.attempts.get().outcome) == ("cancelled", "cancelled")


@pytest.mark.parametrize("verb", ["release", "rescue"])
def test_a_job_that_waits_again_shows_no_progress_of_an_earlier_attempt(verb):
    job = job_in("running")
    report = Report(str(job.uid), 1)
    report.progress(3, 10, "parsing")
    lease.flush(job, report.take())
    make(verb, job)
    assert Job.objects.get(pk=job.pk).summary()["progress"] == {"done": 0, "total": 0, "note": ""}


def test_a_second_cancel_says_the_same():
    job = job_in("running")
    first = lifecycle.cancel(job.uid, person("bob"), "first")
    again = lifecycle.cancel(job.uid, person("alice"), "second")
    assert again.summary() == first.summary()
    assert again.summary()["cancel_requested"] is True
    assert Job.objects.get(pk=job.pk).cancel_requested_by == person("bob")


def waiting(state: str) -> Job:
    """A job that waits, and for some time: due in an hour unless it is queued."""
    if state == "scheduled":
        return lifecycle.submit("noop", {}, due_at=lifecycle.now() + timedelta(hours=1))[0]
    return lifecycle.retry_later(job_in("running"), 3600, FAILURE) if state == "retrying" else job_in(state)


@pytest.mark.parametrize("state", ["scheduled", "queued", "retrying"])
def test_a_cancel_that_is_taken_back_leaves_the_job_as_it_was(state):
    before = waiting(state)
    lifecycle.cancel(before.uid, person("bob"), "the wrong one")
    back = lifecycle.take_back(before.uid, person("bob"))
    assert back.summary() == before.summary() | {"version": before.version + 2}
    assert (back.cancel_reason, back.cancel_requested_by_id, back.failures) == ("", None, before.failures)
    with pytest.raises(lifecycle.NotInState, match="a job that waited is taken back"):
        lifecycle.take_back(before.uid)


def test_what_fell_due_while_it_was_cancelled_runs_once_it_is_taken_back():
    job = lifecycle.submit("noop", {}, due_at=lifecycle.now() + timedelta(seconds=0.05))[0]
    lifecycle.cancel(job.uid)
    time.sleep(0.06)
    assert lifecycle.wake() == 0
    assert lifecycle.take_back(job.uid).state == "scheduled"
    assert lifecycle.wake() == 1


def test_a_job_that_ran_has_no_cancel_to_take_back():
    received, lost = job_in("running"), job_in("running")
    for job in (received, lost):
        lifecycle.cancel(job.uid)
    lifecycle.cancel_acknowledged(received)
    lifecycle.rescue(Job.objects.get(pk=lost.pk))
    for job in (received, lost):
        with pytest.raises(lifecycle.NotInState, match="it ran already"):
            lifecycle.take_back(job.uid)


def test_a_cancelled_job_that_is_tried_again_forgets_when_it_was_due():
    job = waiting("scheduled")
    lifecycle.cancel(job.uid)
    assert lifecycle.retry(job.uid).due_at is None


def test_a_turn_that_was_given_away_is_not_taken_back():
    first, second = (lifecycle.submit("serial", {"feed": "a"})[0] for _ in range(2))
    lifecycle.retry_later(lifecycle.claim(first.uid, "w@here", 1), 3600, FAILURE)
    lifecycle.cancel(first.uid)
    assert lifecycle.claim(second.uid, "w@here", 1)
    with pytest.raises(lifecycle.NotInState, match="has its turn"):
        lifecycle.take_back(first.uid)
    assert lifecycle.retry(first.uid).state == "queued"


def test_a_paused_queue_is_not_claimed_and_goes_on_when_resumed():
    job = job_in("queued")
    notify.pause("default", person("bob"))
    assert lifecycle.claim(job.uid, "w@here", 1) is None
    notify.resume("default")
    assert lifecycle.claim(job.uid, "w@here", 1).state == "running"


def test_what_a_move_returns_is_what_the_database_holds():
    alice = person("alice")
    job = lifecycle.submit("countdown", {"seconds": 3}, owner=alice, priority=7)[0]
    claimed = lifecycle.claim(job.uid, "w@here", 1)
    fresh = Job.objects.select_related("owner").get(pk=job.pk)
    assert claimed.summary() == fresh.summary()
    assert claimed.summary()["owner"] == "alice"
    for field in Job._meta.concrete_fields:
        assert getattr(claimed, field.attname) == getattr(fresh, field.attname), field


def test_progress_and_log_lines_are_written_by_the_holder_only():
    job = job_in("running")
    report = Report(str(job.uid), 1)
    report.progress(3, 10, "parsing")
    report.log("one")
    report.log("two", level="warning")
    assert lease.flush(job, report.take()).cancel_requested is False
    row = Job.objects.get(pk=job.pk)
    assert row.summary()["progress"] == {"done": 3, "total": 10, "note": "parsing"}
    assert [(line.seq, line.level, line.text) for line in row.log.order_by("seq")] == [
        (1, "info", "one"),
        (2, "warning", "two"),
    ]
    lifecycle.rescue(row)
    report.log("three")
    assert lease.flush(job, report.take()) is None
    assert row.log.count() == 2


def test_a_person_who_is_deleted_leaves_jobs_whose_version_rises():
    alice, bob = person("alice"), person("bob")
    hers, his = (lifecycle.submit("noop", {}, owner=owner)[0] for owner in (alice, bob))
    get_user_model().objects.filter(pk=alice.pk).delete()
    assert [Job.objects.get(pk=hers.pk).summary()[name] for name in ("owner", "version")] == [None, 2]
    assert [Job.objects.get(pk=his.pk).summary()[name] for name in ("owner", "version")] == ["bob", 1]


def test_one_key_is_one_job():
    alice, bob = person("alice"), person("bob")
    first, made = lifecycle.submit("noop", {}, owner=alice, idempotency_key="k")
    again, made_again = lifecycle.submit("noop", {}, owner=alice, idempotency_key="k")
    other, _ = lifecycle.submit("noop", {}, owner=bob, idempotency_key="k")
    assert (made, made_again, again.uid) == (True, False, first.uid)
    assert other.uid != first.uid
    with pytest.raises(KeyReused):
        lifecycle.submit("countdown", {}, owner=alice, idempotency_key="k")


def test_the_oldest_of_a_serial_key_goes_first_and_alone():
    first, second, other = (lifecycle.submit("serial", {"feed": feed})[0] for feed in ("a", "a", "b"))
    assert lifecycle.claim(second.uid, "w@here", 1) is None
    held = lifecycle.claim(first.uid, "w@here", 1)
    assert lifecycle.claim(second.uid, "w@here", 1) is None
    assert lifecycle.claim(other.uid, "w@here", 1)
    lifecycle.retry_later(held, 60, FAILURE)
    assert lifecycle.claim(second.uid, "w@here", 1) is None
    lifecycle.cancel(first.uid)
    assert lifecycle.claim(second.uid, "w@here", 1)


def test_the_row_that_a_move_returns_is_the_one_that_is_stored_whatever_its_process_knew_of_the_job():
    job = lifecycle.submit("countdown", {"seconds": 3}, owner=person("alice"), priority=7)[0]
    claimed = lifecycle.claim(job.uid, "w1@here", 1)
    claimed.params["seconds"] = 99  # code that changes what it was given changes no row
    claimed.title = "of the process"
    Job.objects.filter(pk=job.pk).update(
        progress_done=2, progress_note="two", log_seq=5, title="another", priority=3, rung_at=None,
        due_at=lifecycle.now(), headers={"a": [1, None]}, root=job.uid,
    )  # fmt: skip
    ended = lifecycle.succeed(claimed, {"b": 1})
    stored = Job.objects.get(pk=job.pk)
    fields = [field.attname for field in Job._meta.concrete_fields]
    assert {name: getattr(ended, name) for name in fields} == {name: getattr(stored, name) for name in fields}
    assert (ended.params["seconds"], ended.title, ended.result) == (3, "another", {"b": 1})
    assert ended.summary() == stored.summary() and ended.owner == stored.owner
    ended.refresh_from_db()
    ended.save()

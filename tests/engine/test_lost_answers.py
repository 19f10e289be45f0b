"""The database commits, and the link breaks before its answer comes: what was done is not done twice, nor lost."""

import pytest
from django.db import OperationalError, connection

from tasks.engine import broker, lifecycle
from tasks.engine.errors import NotInState
from tasks.engine.models import Job, LogLine, State
from tasks.engine.report import Report
from tasks.worker import pulse
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lose_the_answer(monkeypatch):
    """Once: the next statement that begins so, or the next commit, is carried out and yet seems to fail."""
    broken = []

    def lost(*_):
        broken.append(True)
        connection.close()
        raise OperationalError("server closed the connection unexpectedly")

    def arrange(beginning: str) -> list[bool]:
        def execute(run, sql, params, many, context):
            answer = run(sql, params, many, context)
            if sql.startswith(beginning) and not broken and not connection.in_atomic_block:
                context["cursor"].fetchall()
                lost()
            return answer

        def commit():
            real()
            if not broken:
                lost()

        if beginning == "COMMIT":
            real = connection._commit
            monkeypatch.setattr(connection, "_commit", commit)
        else:
            connection.execute_wrappers.append(execute)
        return broken

    yield arrange
    connection.execute_wrappers.clear()


@pytest.fixture
def notified(monkeypatch):
    """The ids that messages were sent for."""
    uids = []
    monkeypatch.setattr(broker, "notify_workers", lambda messages: uids.extend(message.uid for message in messages))
    return uids


def test_a_job_is_accepted_once_and_notified(lose_the_answer, notified):
    broken = lose_the_answer("COMMIT")
    job, new = lifecycle.submit("noop", {})
    assert broken and new
    assert list(Job.objects.values_list("uid", flat=True)) == [job.uid] == notified


def test_a_job_with_a_key_is_still_the_new_one(lose_the_answer, notified):
    alice, broken = person("alice"), lose_the_answer("COMMIT")
    job, new = lifecycle.submit("noop", {}, owner=alice, idempotency_key="once")
    assert broken and new and notified == [job.uid]
    assert lifecycle.submit("noop", {}, owner=alice, idempotency_key="once") == (job, False)


def test_many_jobs_are_accepted_once(lose_the_answer, notified):
    broken = lose_the_answer("COMMIT")
    jobs = lifecycle.submit_many("noop", [{}] * 3)
    assert broken
    assert set(Job.objects.values_list("uid", flat=True)) == {job.uid for job in jobs} == set(notified)
    assert all(job.pk for job in jobs)


def test_a_claimed_job_is_held_by_who_claimed_it(lose_the_answer):
    job, _ = lifecycle.submit("noop", {})
    broken = lose_the_answer("UPDATE")
    held = lifecycle.claim(job.uid, "w1@here", 4711)
    assert broken and held is not None and (held.state, held.attempt) == (State.RUNNING, 1)
    assert lifecycle.succeed(held) is not None


@pytest.mark.parametrize("verb", ["retry", "take_back"])
def test_a_job_that_waits_anew_is_no_refusal(lose_the_answer, notified, verb):
    job, _ = lifecycle.submit("noop", {}, owner=person("alice"))
    lifecycle.cancel(job.uid)
    notified.clear()
    broken = lose_the_answer("COMMIT")
    again = getattr(lifecycle, verb)(job.uid)
    assert broken and (again.state, again.version, again.owner_name) == (State.QUEUED, 3, "alice")
    assert notified == [job.uid]
    with pytest.raises(NotInState):  # asked for a second time it is one, as always
        getattr(lifecycle, verb)(job.uid)


def test_a_claim_by_another_is_not_taken_for_ones_own(lose_the_answer, monkeypatch):
    job, _ = lifecycle.submit("noop", {})
    assert lifecycle.claim(job.uid, "w1@here", 4711) is not None
    assert lifecycle.claim(job.uid, "w1@here", 4711) is None  # a doubled message, sent in the same process


def test_log_lines_are_written_once_and_the_job_ends(lose_the_answer):
    job = lifecycle.claim(lifecycle.submit("noop", {})[0].uid, "w1@here", 1)
    report = Report(str(job.uid), job.attempt)
    report.log("one")
    running, beating = pulse.Running(job, report, None, None), pulse.Pulse([], kills=False)
    beating.watch(running)
    broken = lose_the_answer("COMMIT")
    beating._attend(running)
    report.log("two")
    beating._attend(running)
    assert broken and lifecycle.succeed(job, None, report.take()) is not None
    assert list(LogLine.objects.order_by("seq").values_list("seq", "text")) == [(1, "one"), (2, "two")]

"""Bulk actions: counted first, done by a job with progress, on behalf of whoever asked."""

from datetime import UTC, datetime

import pytest

from tasks.access import actions
from tasks.engine import lifecycle, notify
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.search import bulk, finder
from tasks.search.language import read
from tests.support.calls import call
from tests.support.people import person
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def queued(n: int, name: str = "alice", kind: str = "countdown") -> list[Job]:
    return lifecycle.submit_many(kind, [{} for _ in range(n)], owner=person(name))


def failed(n: int) -> list[Job]:
    return [lifecycle.fail(lifecycle.claim(job.uid, "w@h", 1), Failure("broke")) for job in queued(n)]


def states(jobs: list[Job]) -> set[str]:
    return set(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", flat=True))


def test_a_dry_run_counts_what_the_action_is_for_and_touches_nothing():
    waiting, broken = queued(5), failed(3)
    alice = call("alice")
    for body, count in (
        ({"action": "cancel", "filter": {"kind": "countdown"}}, 5),
        ({"action": "retry", "filter": {"kind": ["countdown"]}}, 3),
        ({"action": "cancel", "filter": {"owner": "bob"}}, 0),
        ({"action": "retry", "filter": {"q": "state:failed broke", "owner": "me"}}, 3),
        ({"action": "cancel", "filter": {"state": "failed"}}, 0),
    ):
        answer = alice.post("bulk/", body | {"dry_run": True})
        assert (answer.status_code, answer.json()) == (200, {"count": count, "exact": True})
    assert states(waiting) == {"queued"} and states(broken) == {"failed"}
    assert Job.objects.count() == 8


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filter": {"state": "failed"}}, "action"),
        ({"action": "delete", "filter": {"state": "failed"}}, "action"),
        ({"action": "cancel"}, "filter"),
        ({"action": "cancel", "filter": {}}, "filter"),
        ({"action": "cancel", "filter": {"state": "broken"}}, "filter.state"),
        ({"action": "cancel", "filter": {"colour": "red"}}, "filter.colour"),
        ({"action": "cancel", "filter": {"state": 5}}, "filter.state"),
        ({"action": "cancel", "filter": {"state": []}}, "filter.state"),
        ({"action": "cancel", "filter": {"q": "colour:red"}}, "filter.q"),
        ({"action": "cancel", "filter": {"state": "failed"}, "dry_run": "yes"}, "dry_run"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    answer = call("alice").post("bulk/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Job.objects.exists()


def test_who_may():
    body = {"action": "cancel", "filter": {"state": "queued"}, "dry_run": True}
    for who in (("vera", None), ("charlie", None), ("ada", "read"), ("ada", "submit"), ("vera", "manage")):
        assert call(*who).post("bulk/", body).status_code == 403
    for who in (("alice", None), ("ada", None), ("alice", "manage")):
        assert call(*who).post("bulk/", body).status_code == 200
    asked = {"kind": "bulk_action", "params": {"action": "cancel", "filter": {"state": "queued"}}}
    assert call("alice", "submit").post("jobs/", asked).status_code == 403  # nor by the back door
    assert call("alice", "manage").post("jobs/", asked).status_code == 201


def test_a_job_cancels_everything_that_matches(start_worker):
    mine, theirs = queued(7), queued(4, "bob")
    notify.pause("default")  # nothing of it starts meanwhile
    answer = call("bob").post("bulk/", {"action": "cancel", "filter": {"owner": "alice"}})
    assert (answer.status_code, answer.json()["kind"]) == (201, "bulk_action")
    own = Job.objects.get(uid=answer.json()["id"])
    run(own)
    assert states(mine) == {"cancelled"} and states(theirs) == {"queued"}
    assert set(Job.objects.filter(state="cancelled").values_list("cancel_requested_by__username", flat=True)) == {"bob"}


def run(own: Job) -> list[bulk.Step]:
    query = bulk.query_for(own.params["action"], own.params["filter"], own.owner_name)
    return list(bulk.act(own, own.params["action"], query))


def test_jobs_made_later_and_jobs_that_ended_later_are_left_alone():
    broken = failed(3)
    own = lifecycle.submit(
        "bulk_action", {"action": "retry", "filter": {"kind": ["countdown"]}}, owner=person("alice")
    )[0]
    later = failed(2)
    assert run(own)[-1] == (3, 0)
    for job in broken:
        lifecycle.fail(lifecycle.claim(job.uid, "w@h", 1), Failure("broke again"))
    assert run(own)[-1] == (0, 0)  # a second attempt tries nothing twice
    assert states(later) == {"failed"}


def test_whoever_loses_the_right_stops_in_the_middle():
    jobs = queued(450)
    own = lifecycle.submit("bulk_action", {"action": "cancel", "filter": {"state": ["queued"]}}, owner=person("alice"))[
        0
    ]
    steps = bulk.act(own, "cancel", bulk.query_for("cancel", {"state": ["queued"]}, "alice"))
    next(steps)
    person("alice").groups.clear()
    with pytest.raises(actions.NotAllowed):
        list(steps)
    assert Job.objects.filter(pk__in=[job.pk for job in jobs], state="queued").count() == 250


def test_a_bulk_request_that_is_sent_again_with_its_key_is_the_same_bulk_action():
    lifecycle.submit("noop", {}, owner=person("bob"))
    bob, body = call("bob"), {"action": "cancel", "filter": {"kind": "noop", "since": "2h"}}
    first, again = (bob.post("bulk/", body, Idempotency_Key="stop-all") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() and Job.objects.filter(kind="bulk_action").count() == 1
    other = bob.post("bulk/", body | {"action": "retry"}, Idempotency_Key="stop-all")
    assert (other.status_code, other.problem) == (422, "key-reused")
    assert bob.post("jobs/", {"kind": "noop"}, Idempotency_Key="stop-all").status_code == 422
    assert bob.post("bulk/", body | {"dry_run": True}, Idempotency_Key="stop-all").json()["count"] == 1
    for dry_run in (True, False):
        wrong = bob.post("bulk/", body | {"dry_run": dry_run}, Idempotency_Key="a b")
        assert (wrong.status_code, list(wrong.json()["errors"])) == (400, ["Idempotency-Key"])
    assert bob.post("bulk/", body).status_code == 201


def test_exactly_what_a_bulk_action_cancelled_is_taken_back():
    by_hand, running, waiting = queued(3), queued(2), queued(4)
    later = lifecycle.submit("countdown", {}, owner=person("alice"), due_at=datetime(2999, 1, 1, tzinfo=UTC))[0]
    held = [lifecycle.claim(job.uid, "w@h", 1) for job in running]
    again = lifecycle.retry_later(lifecycle.claim(queued(1)[0].uid, "w@h", 1), 3600, Failure("broke"))
    lifecycle.cancel(by_hand[0].uid, person("bob"))
    own = asked_for("cancel", {"kind": ["countdown"]})
    lifecycle.cancel(by_hand[1].uid, person("bob"), "by mistake")  # by the same person, at the same time
    run(own)
    lifecycle.cancel_acknowledged(held[0])  # one stops, the other does not see it in time
    lifecycle.succeed(held[1])
    lifecycle.retry(by_hand[2].uid)  # tried again since, and cancelled once more
    lifecycle.cancel(by_hand[2].uid, person("bob"))
    body = {"action": "take_back", "filter": {"bulk": str(own.uid)}}
    assert call("bob").post("bulk/", body | {"dry_run": True}).json() == {"count": 6, "exact": True}
    for who in (("vera", None), ("ada", "read"), ("ada", "submit")):
        assert call(*who).post("bulk/", body).status_code == 403
    back = Job.objects.get(uid=call("ada").post("bulk/", body).json()["id"])
    assert run(back)[-1] == (6, 0)
    for jobs, state in ((waiting, "queued"), ([later], "scheduled"), ([again], "retrying"), (by_hand, "cancelled")):
        assert states(jobs) == {state}
    assert Job.objects.get(pk=again.pk).due_at == again.due_at
    assert states([held[0]]) == {"cancelled"} and states([held[1]]) == {"succeeded"}
    assert call("bob").post("bulk/", body | {"dry_run": True}).json() == {"count": 0, "exact": True}


def test_kinds_that_one_may_not_submit_are_not_taken_back():
    chore = lifecycle.submit("prune", {})[0]
    own = asked_for("cancel", {"kind": ["prune"]})
    run(own)
    assert states([chore]) == {"cancelled"}
    assert run(asked_for("take_back", {"bulk": [str(own.uid)]}))[-1] == (0, 0)
    assert run(asked_for("take_back", {"bulk": [str(own.uid)]}, "ada"))[-1] == (1, 0)


def test_one_whose_turn_another_has_is_refused_and_the_others_are_taken_back():
    jobs = queued(3)
    at = jobs[0].created_at
    held = Job.objects.create(kind="noop", queue="default", state="running", serial_key="k", created_at=at)
    Job.objects.filter(pk=jobs[1].pk).update(serial_key="k", attempt=1, due_at=at)
    own = asked_for("cancel", {"owner": ["alice"]})
    run(own)
    assert run(asked_for("take_back", {"bulk": [str(own.uid)]}))[-1] == (2, 1)
    assert [Job.objects.get(pk=job.pk).state for job in (*jobs, held)] == ["queued", "cancelled", "queued", "running"]


def asked_for(action: str, filters: dict[str, list[str]], who: str = "bob") -> Job:
    return lifecycle.submit("bulk_action", {"action": action, "filter": filters}, owner=person(who))[0]


@pytest.mark.process
def test_a_worker_does_it_with_progress_and_it_can_be_cancelled(start_worker):
    broken = failed(30)
    answer = call("alice").post("bulk/", {"action": "retry", "filter": {"state": "failed"}})
    start_worker("w1")
    own = wait_until(
        lambda: Job.objects.filter(uid=answer.json()["id"], state__in=Job.FINAL).first(), 40, "the end of the bulk job"
    )
    assert (own.state, own.result) == ("succeeded", {"done": 30, "refused": 0})
    assert (own.progress_done, own.progress_total) == (30, 30)
    assert "failed" not in states(broken)


def test_a_bulk_action_says_what_became_of_its_jobs_with_a_search_for_each_part() -> None:
    jobs = [lifecycle.submit("noop", {}, owner=person("bob"))[0] for _ in range(3)]
    for job in jobs:
        lifecycle.cancel(job.uid)
    lifecycle.submit("noop", {}, owner=person("bob"))
    own = asked_for("retry", {"state": ["cancelled"]}, "bob")
    assert run(own)[-1] == (3, 0)
    assert [(part["state"], part["n"]) for part in bulk.outcome(own.uid)] == [("queued", 3)]
    lifecycle.succeed(lifecycle.claim(jobs[0].uid, "w1@h", 1))
    parts = {part["state"]: part for part in bulk.outcome(own.uid)}
    assert {state: part["n"] for state, part in parts.items()} == {"queued": 2, "succeeded": 1}
    found = finder.find(read(parts["succeeded"]["search"], "bob")[0], Job.objects.all())
    assert [job.uid for job in found.jobs] == [jobs[0].uid]


def test_a_filter_without_a_name_is_refused_as_any_other_that_is_none():
    answer = call("bob").post("bulk/", {"action": "cancel", "filter": {"": "failed"}})
    assert answer.status_code == 400
    assert "There is no filter :" in str(answer.json()["errors"])
    for path in ("jobs/?=failed", "jobs/export/?=failed"):
        assert call("bob").get(path).status_code == 400

"""Chords: the body starts once, when every job of the group has succeeded, whatever happens to those jobs and to us."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from celery import chain, chord, group
from celery.result import AsyncResult
from django.db import connection

from tasks.base import job
from tasks.engine import creation, lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Chord, Job
from tests.support.people import person
from tests.support.processes import wait_until
from tests.support.runs import perform
from tests.tasks import add, chord_collects, chord_dies_once

pytestmark = pytest.mark.django_db(transaction=True)


@job(name="chord_long")
def long(n):
    return "x" * n


def run_all() -> None:
    while row := Job.objects.filter(state="queued").order_by("id").first():
        perform(row)


def bodies() -> list[Job]:
    return list(Job.objects.filter(kind="chord_collects"))


CANVASES = {
    "chord": (lambda: chord([add.s(1, n) for n in range(3)])(chord_collects.s()), [1, 2, 3]),
    "group and task": (lambda: (group(add.s(1, 1), add.s(2, 2)) | chord_collects.s()).delay(), [2, 4]),
    "chain in a header": (lambda: chord([chain(add.s(1, 1), add.s(5)), add.s(0, 0)])(chord_collects.s()), [7, 0]),
    "in a chain": (lambda: chain(add.s(1, 1), group(add.s(1), add.s(2)), chord_collects.s()).delay(), [3, 4]),
    "a chain as body": (
        lambda: chord([add.s(1, 1), add.s(2, 2)])(chain(chord_collects.s(), chord_collects.s())), [2, 4],
    ),
    "one": (lambda: chord([add.s(1, 1)])(chord_collects.s()), [2]),
    "group in a group": (lambda: chord([add.s(1, 1), group(add.s(2, 2), add.s(3, 3))])(chord_collects.s()), [2, 4, 6]),
    "chord of chords": (
        lambda: chord([chord([add.s(1, 1), add.s(2, 2)], chord_collects.s()), add.s(1, 0)])(chord_collects.s()),
        [[2, 4], 1],
    ),
    "two after one another": (
        lambda: chain(
            group(add.s(1, 1), add.s(2, 2)), chord_collects.s(), group(chord_collects.s(), chord_collects.s()),
            chord_collects.s(),
        ).delay(),
        [[2, 4], [2, 4]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CANVASES)
def test_the_body_gets_the_results_in_their_order(name):
    make, results = CANVASES[name]
    last = make()
    run_all()
    assert last.get(timeout=1) == results == AsyncResult(last.id).result
    assert not Chord.objects.exists() and not Job.objects.exclude(state="succeeded").exists()


def test_a_child_that_is_tried_again_counts_once_and_a_lost_one_that_ends_late_not_at_all():
    body = chord([add.s(1, 1), add.s(2, 2)])(chord_collects.s())
    first, second = Job.objects.order_by("id")
    held = lifecycle.claim(first.uid, "w", 1)
    lifecycle.retry_later(held, 0, Failure.said("Not yet."))
    Job.objects.filter(pk=first.pk).update(state="queued", due_at=None)
    lost = lifecycle.claim(second.uid, "w", 1)
    lifecycle.rescue(lost)
    assert lifecycle.succeed(lost, 4) is None
    perform(first)
    assert not bodies()
    perform(Job.objects.get(pk=second.pk))
    assert [each.params["results"] for each in bodies()] == [[2, 4]]
    run_all()
    assert body.get(timeout=1) == [2, 4]


def test_a_child_that_failed_or_was_cancelled_holds_the_body_back_until_it_is_tried_again():
    body = chord([add.s(1, 1), add.s(2, 2)])(chord_collects.s())
    first, second = Job.objects.order_by("id")
    lifecycle.fail(lifecycle.claim(first.uid, "w", 1), Failure.said("ValueError: no"))
    lifecycle.cancel(second.uid)
    assert not bodies()
    asked = AsyncResult(body.id)
    assert asked.state == "FAILURE" and "Dependency" in str(asked.result)
    with pytest.raises(RuntimeError, match="The chain ended before this job"):
        body.get(timeout=1)
    lifecycle.retry(first.uid)
    lifecycle.retry(second.uid)
    run_all()
    assert body.get(timeout=1) == [2, 4]


def test_the_body_starts_once_when_all_children_end_in_the_same_moment():
    chord([add.s(n, n) for n in range(12)])(chord_collects.s())
    held = [lifecycle.claim(each.uid, "w", 1) for each in Job.objects.order_by("id")]

    def end(row: Job) -> None:
        try:
            lifecycle.succeed(row, row.params["x"] * 2)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(end, held))
    assert [each.params["results"] for each in bodies()] == [[2 * n for n in range(12)]]


def test_long_results_go_by_reference():
    body = chord([long.s(40_000), long.s(40_000)])(chord_collects.s())
    run_all()
    (row,) = bodies()
    assert isinstance(row.params["results"], str) and len(row.params["results"]) == 36
    assert [len(each) for each in body.get(timeout=1)] == [40_000, 40_000]
    last = chain(long.s(45_000), chord_collects.s()).delay()
    run_all()
    assert len(last.get(timeout=1)) == 45_000


def test_owners_and_roots_are_handed_on():
    chord([add.s(1, 1), add.s(2, 2)]).apply_async(kwargs={"body": chord_collects.s()}, owner=person("alice"))
    run_all()
    (row,) = bodies()
    assert row.owner == person("alice") and row.root in set(Job.objects.values_list("uid", flat=True))


def test_a_jobs_page_says_what_follows_a_group(client):
    client.force_login(person("vera"))
    chain(add.s(1, 1), group(add.s(1), add.s(2)), chord_collects.s()).delay()
    assert "(add and add), then chord_collects" in client.get(f"/jobs/{Job.objects.get().uid}/").text


@pytest.mark.process
def test_a_chord_survives_the_death_of_a_child_in_a_real_worker(start_worker, tmp_path):
    start_worker("w1")
    file = tmp_path / "died"
    body = chord([chord_dies_once.s(str(file)), *(add.s(n, 1) for n in range(6))])(chord_collects.s())
    assert body.get(timeout=40) == ["alive", 1, 2, 3, 4, 5, 6]
    wait_until(lambda: not Job.objects.filter(state__in=Job.LIVE).exists())
    assert len(bodies()) == 1 and creation.open_params(bodies()[0])[0]["results"][0] == "alive"
    assert Job.objects.get(kind="chord_dies_once").attempt == 2
    assert UUID(body.id) == bodies()[0].uid


# --- what takes the place of a job, and what begins when one has failed --------------------------------------------


@job(name="chord_replaces", bind=True, max_retries=0)
def replaces(self, how, x=0):
    match how:
        case "task":
            raise self.replace(add.s(x, 100))
        case "chain":
            raise self.replace(chain(add.s(x, 100), add.s(1000)))
        case "group":
            raise self.replace(group(add.s(x, 100), add.s(x, 200)))
        case "chord":
            raise self.replace(chord([add.s(x, 100), add.s(x, 200)], chord_collects.s()))
    raise ValueError("no")


REPLACED = {"task": 101, "chain": 1101, "group": [101, 201], "chord": [101, 201]}


@pytest.mark.parametrize("how", REPLACED)
def test_a_job_that_is_replaced_has_the_result_of_what_took_its_place(how):
    result = replaces.delay(how, 1)
    perform(Job.objects.get())
    assert not result.ready() and AsyncResult(result.id).state == "PENDING"
    run_all()
    assert result.get(timeout=1) == REPLACED[how] == AsyncResult(result.id).result
    assert result.successful()


@pytest.mark.parametrize("how", REPLACED)
def test_what_followed_a_replaced_job_follows_what_took_its_place(how):
    last = chain(replaces.s(how, 1), chord_collects.s()).apply_async(link=chord_collects.s())
    run_all()
    assert last.get(timeout=1) == REPLACED[how]
    body = chord([replaces.s(how, 1), add.s(0, 0)])(chord_collects.s())
    run_all()
    assert body.get(timeout=1) == [REPLACED[how], 0]


@job(name="chord_errback")
def errback(uid):
    return uid


@job(name="chord_errback_of_three")
def errback_of_three(request, exc, traceback): ...


def test_an_errback_begins_in_the_transaction_of_the_failure_with_the_id_of_what_failed():
    result = replaces.apply_async(("fail",), link_error=errback.s())
    run_all()
    assert AsyncResult(result.id).state == "FAILURE"
    (row,) = Job.objects.filter(kind="chord_errback")
    assert (row.result, str(row.parent)) == (result.id, result.id)
    ok = add.apply_async((1, 1), link_error=errback.s())
    run_all()
    assert ok.get(timeout=1) == 2 and Job.objects.filter(kind="chord_errback").count() == 1


def test_errbacks_of_a_chain_and_of_the_body_of_a_chord():
    chain(add.s(1, 1), replaces.s()).on_error(errback.s()).delay()
    run_all()
    assert Job.objects.filter(kind="chord_errback").count() == 1
    body = chord([add.s(1, 1), replaces.s("fail")])(chord_collects.s().on_error(errback.s()))
    run_all()
    assert Job.objects.filter(kind="chord_errback", result=body.id).count() == 1


def test_an_errback_that_wants_request_and_traceback_is_refused_at_the_call():
    with pytest.raises(TypeError, match="chord_errback_of_three: link_error begins a job with one parameter"):
        add.apply_async((1, 1), link_error=errback_of_three.s())

"""Chains and groups of Celery's canvas: rows that follow rows, in one transaction, once."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import pytest
from celery import chain, group
from celery.result import AsyncResult

from tasks.base import job
from tasks.engine import creation, lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.kinds.basic import noop
from tasks.params.signature import ParamError, Secret, Url
from tests.support.people import person
from tests.support.processes import wait_until
from tests.support.runs import perform
from tests.tasks import add, breaks, unlocks

pytestmark = pytest.mark.django_db(transaction=True)


def run(job: Job) -> Job:
    """What a worker does with a job that is queued, in this process."""
    held = lifecycle.claim(job.uid, "w", 1)
    add_up = {"add": lambda x, y: x + y, "noop": lambda: None, "unlocks": lambda key, number: number + len(key)}
    params, _ = creation.open_params(held)
    return lifecycle.succeed(held, add_up[held.kind](**params))


def newest() -> Job:
    return Job.objects.order_by("-id").first()


def test_the_next_job_takes_the_result_and_the_id_it_was_promised():
    last = chain(add.s(1, 2), add.s(10), add.si(5, 5)).apply_async(owner=person("alice"))
    (first,) = Job.objects.all()
    assert (first.kind, first.params, first.owner) == ("add", {"x": 1, "y": 2}, person("alice"))
    run(first)
    second = newest()
    assert (second.params, second.parent, second.owner, second.state) == (
        {"x": 3, "y": 10},
        first.uid,
        first.owner,
        "queued",
    )
    run(second)
    third = newest()
    assert (third.params, third.parent, str(third.uid)) == ({"x": 5, "y": 5}, second.uid, last.id)
    run(third)
    assert Job.objects.count() == 3
    assert last.get(timeout=1) == 10


def test_a_message_received_twice_neither_ends_nor_doubles_a_chain():
    chain(add.s(1), add.s(1)).delay()
    first = Job.objects.get()
    held = lifecycle.claim(first.uid, "w1", 1)
    assert lifecycle.claim(first.uid, "w2", 2) is None
    assert lifecycle.succeed(held, 2)
    assert lifecycle.succeed(held, 2) is None
    assert Job.objects.count() == 2


def test_a_lost_attempt_that_ends_late_begins_nothing():
    chain(add.s(1), add.s(1)).delay()
    lost = lifecycle.claim(Job.objects.get().uid, "w1", 1)
    lifecycle.rescue(lost)
    assert lifecycle.succeed(lost, 2) is None
    assert Job.objects.count() == 1


def test_groups_begin_at_once_and_chains_may_fork():
    group(add.s(1), add.s(2)).delay()
    assert Job.objects.filter(state="queued").count() == 2
    Job.objects.all().delete()
    chain(add.s(1), group(add.s(10), chain(add.s(20), add.s(1)))).delay()
    run(Job.objects.get())
    ten, twenty = Job.objects.filter(state="queued").order_by("id")
    assert (ten.params["x"], ten.params["y"], twenty.params["y"]) == (2, 10, 20)
    run(ten)
    run(twenty)
    assert newest().params == {"x": 22, "y": 1}
    assert newest().parent == twenty.uid


def test_links_and_countdowns_are_honoured():
    add.apply_async((1, 1), link=[add.s(5), noop.si()])
    run(Job.objects.get())
    assert [job.params for job in Job.objects.filter(state="queued").order_by("id")] == [{"x": 2, "y": 5}, {}]
    chain(add.s(1), add.s(1).set(countdown=60, priority=9)).delay()
    run(newest())
    assert (newest().state, newest().priority) == ("scheduled", 9)


def test_a_chain_ends_where_a_job_fails_and_goes_on_when_it_is_tried_again():
    last = chain(add.s(1), add.s(1), add.s(1)).delay()
    first = Job.objects.get()
    lifecycle.fail(lifecycle.claim(first.uid, "w", 1), Failure.said("No."))
    assert Job.objects.count() == 1
    assert (last.state, last.ready(), AsyncResult(last.id).state) == ("FAILURE", True, "FAILURE")
    with pytest.raises(RuntimeError, match=r"No\."):
        AsyncResult(last.id).get(timeout=1)
    with pytest.raises(RuntimeError, match=r"No\."):
        last.get(timeout=1)
    again = lifecycle.retry(first.uid)
    assert (last.state, AsyncResult(last.id).state) == ("PENDING", "PENDING")
    run(again)
    run(newest())
    assert str(run(newest()).uid) == last.id


@pytest.mark.long
def test_bad_input_of_any_step_is_refused_where_it_is_typed():
    for canvas, error in (
        (chain(add.s(1), add.s(object())), ParamError),
        (chain(add.s(1), noop.s()), TypeError),
        (chain(add.s(1), add.s(1, 2, 3)), TypeError),
        (chain(add.s(1), add.s(1).set(routing_key="x")), TypeError),
        (chain(add.s(1), *[add.s(1)] * 3_000), ValueError),
    ):
        with pytest.raises(error):
            canvas.delay()
    assert Job.objects.count() == 0


def test_a_result_that_our_own_type_refuses_fails_the_next_job_and_says_why():
    last = chain(add.s(1), unlocks.s(), add.s(1)).delay()
    first = Job.objects.get()
    lifecycle.succeed(lifecycle.claim(first.uid, "w", 1), 7)
    second = newest()
    assert (second.state, second.parent) == ("failed", first.uid)
    assert second.error == "It could not begin: ParamError: key: Give text."
    assert Job.objects.get(pk=first.pk).state == "succeeded"
    assert last.state == "FAILURE"


def test_a_result_of_another_type_than_the_annotation_arrives_as_in_celery():
    chain(add.s(1), add.s(1)).delay()
    lifecycle.succeed(lifecycle.claim(Job.objects.get().uid, "w", 1), "not a number")
    second = perform(newest())
    assert (second.params["x"], second.state) == ("not a number", "failed")
    assert second.error.startswith("TypeError: can only concatenate str")


@pytest.mark.parametrize("value", [UUID(int=7), Decimal("1.50"), datetime(2026, 1, 1, tzinfo=UTC), {"a": [b"x"]}])
def test_a_result_is_handed_on_as_its_type(value):
    last = chain(hands_back.si([value]), hands_back.s(), collects.s(1)).delay()
    while job := Job.objects.filter(state="queued").first():
        perform(job)
    assert last.get(timeout=1) == [[value], 1]
    assert AsyncResult(last.id).result == [[value], 1]


@job(name="chains_hand_back")
def hands_back(value):
    return value


@job(name="chains_collect")
def collects(*values):
    return list(values)


def test_a_step_that_did_not_fit_is_tried_again_as_it_was_and_never_with_holes():
    """Not without the result, and not with the mask of a secret."""
    for step, name in ((guarded.s("sesame"), "address"),):
        chain(add.s(1), step).delay()
        lifecycle.succeed(lifecycle.claim(newest().uid, "w", 1), {"not": "a value"})
        second = newest()
        assert second.state == "failed" and second.params[name] == {"not": "a value"}
        again = perform(lifecycle.retry(second.uid))
        assert (again.state, again.error.split(":")[1].strip()) == ("failed", name), again.error
        assert (
            "sesame" not in repr(second.params) and creation.open_params(again)[0].get("password", "sesame") == "sesame"
        )


@job(name="chains_guarded", max_retries=0)
def guarded(address: Annotated[str, Url], password: Annotated[str, Secret]): ...


def test_a_result_that_is_no_good_as_a_secret_is_not_shown_as_a_parameter():
    chain(add.s(1), unlocks.s()).delay()
    lifecycle.succeed(lifecycle.claim(newest().uid, "w", 1), {"not": "a secret"})
    assert newest().state == "failed" and "key" not in newest().params
    assert perform(lifecycle.retry(newest().uid)).state == "failed"


def test_secrets_of_later_steps_rest_sealed():
    chain(add.s(1), unlocks.si("open sesame", 3)).delay()
    first = Job.objects.get()
    assert "sesame" not in repr(first.then)
    run(first)
    assert newest().params == {"key": "•••", "number": 3}
    assert run(newest()).result == 14


def test_the_same_frozen_canvas_called_twice_is_refused_and_makes_each_job_once():
    canvas = chain(add.s(1), add.s(1))
    canvas.freeze()
    chain(*canvas.tasks).delay()
    with pytest.raises(ValueError, match="a job with this task_id exists"):
        chain(*canvas.tasks).delay()
    for each in Job.objects.all():
        run(each)
    assert Job.objects.filter(parent__isnull=False).count() <= 2


@pytest.mark.process
def test_a_chain_and_a_group_run_to_their_ends_in_a_real_worker(start_worker):
    start_worker("w1")
    last = chain(add.s(1, 2), add.s(10), add.s(100)).delay()
    assert last.get(timeout=20) == 113
    both = group(add.s(1, 1), add.s(2, 2)).delay()
    assert [result.get(timeout=20) for result in both.results] == [2, 4]
    failing = chain(breaks.si(), add.si(1)).delay()
    with pytest.raises(RuntimeError, match="broken"):
        failing.get(timeout=20)
    wait_until(lambda: not Job.objects.filter(state__in=Job.LIVE).exists())
    assert Job.objects.count() == 6


def test_a_jobs_page_shows_what_comes_and_what_came(client):
    client.force_login(person("vera"))
    chain(add.s(1), group(add.s(10), chain(add.s(20), noop.si()))).delay()
    first = Job.objects.get()
    assert "(add and add, then noop)" in client.get(f"/jobs/{first.uid}/").text
    run(first)
    page = client.get(f"/jobs/{first.uid}/").text
    assert ">Started</h3>" in page
    for child in Job.objects.filter(parent=first.uid):
        assert f"/jobs/{child.uid}/" in page
        assert f"/jobs/{first.uid}/" in client.get(f"/jobs/{child.uid}/").text

"""Chords: the body starts once, when every job of the group has succeeded, whatever happens to those jobs and to us."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from celery import chain, chord, group
from celery.exceptions import Ignore
from celery.result import AsyncResult
from django.db import connection, transaction
from django.utils import timezone

from tasks.base import job
from tasks.engine import chords, creation, lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Chord, Job
from tasks.kinds.upkeep import forget_chords
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
    "group in a group": (  # Celery unpacks the inner group from its end
        lambda: chord([add.s(1, 1), group(add.s(2, 2), add.s(3, 3))])(chord_collects.s()), [2, 6, 4],
    ),
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
    with pytest.raises(ValueError, match="no"):
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


@pytest.mark.long
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
def errback_of_three(request, exc, traceback, more="none"):
    return [request.id, request.task, request.args, request.kwargs, repr(exc), traceback.splitlines()[-1], more]


@job(name="chord_errback_of_all")
def errback_of_all(*given):
    return [type(each).__name__ for each in given]


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


def results_of(kind: str) -> list:
    return list(Job.objects.filter(kind=kind).order_by("id").values_list("result", flat=True))


def test_an_errback_of_several_arguments_gets_request_exception_and_traceback():
    result = replaces.apply_async(("fail",), {"x": 1}, link_error=[errback_of_three.s(more="m"), errback_of_all.s("x")])
    run_all()
    said = [result.id, "chord_replaces", ["fail"], {"x": 1}, "ValueError('no')", "ValueError: no", "m"]
    assert results_of("chord_errback_of_three") == [said]
    assert results_of("chord_errback_of_all") == [["Context", "ValueError", "str", "str"]]


def test_an_errback_that_takes_no_more_arguments_is_one_of_the_id_or_of_nothing():
    replaces.apply_async(("fail",), link_error=[errback_of_all.si(), errback_of_three.si(1, 2, 3)])
    run_all()
    assert results_of("chord_errback_of_all") == [[]]


def test_an_errback_begins_each_time_that_the_job_fails():
    result = replaces.apply_async(("fail",), link_error=errback.s())
    run_all()
    lifecycle.retry(UUID(result.id))
    run_all()
    assert results_of("chord_errback") == [result.id] * 2


def test_a_lost_job_begins_its_errback_too():
    result = replaces.apply_async(("fail",), link_error=errback_of_three.s())
    lifecycle.rescue(lifecycle.claim(UUID(result.id), "w", 1), sentence="The process that ran the job died by SIGKILL.")
    perform(Job.objects.get(kind="chord_errback_of_three"))
    row = Job.objects.get(kind="chord_errback_of_three")
    assert row.state == "failed" or "died by SIGKILL" in row.result[4], row.error


def test_a_step_that_cannot_begin_begins_its_errback():
    chain(add.s(1, 1), add.s("x").on_error(errback.s()), add.s(1)).delay()
    run_all()
    second = Job.objects.get(kind="add", state="failed")
    assert results_of("chord_errback") == [str(second.uid)]


HELD_BACK = {
    "a child failed": lambda: [replaces.s("fail"), add.s(1, 1)],
    "two children failed": lambda: [replaces.s("fail"), replaces.s("fail")],
    "a job before a child failed": lambda: [chain(replaces.s("fail"), add.s(1)), add.s(1, 1)],
    "a chord in the group failed": lambda: [chord([replaces.s("fail"), add.s(1, 1)], chord_collects.s()), add.s(1, 1)],
}


@pytest.mark.parametrize("name", HELD_BACK)
def test_a_body_that_cannot_begin_has_failed_for_callers_and_begins_its_errbacks_once(name):
    body = chord(HELD_BACK[name]())(chord_collects.s().on_error(errback_of_three.s()))
    run_all()
    assert AsyncResult(body.id).state == "FAILURE" and not Job.objects.filter(uid=body.id).exists()
    (said,) = results_of("chord_errback_of_three") if "chord" not in name else [[body.id, None, [], {}, "Dependency"]]
    assert said[0] == body.id and "Dependency" in said[4]


def test_a_child_that_is_cancelled_breaks_the_chord_and_one_that_ignores_itself_does_not():
    body = chord([add.s(1, 1), add.s(2, 2)])(chord_collects.s().on_error(errback.s()))
    lifecycle.cancel(Job.objects.order_by("id").first().uid)
    run_all()
    assert results_of("chord_errback") == [body.id]
    Job.objects.all().delete()
    waits = chord([ignores.s(), add.s(2, 2)])(chord_collects.s().on_error(errback.s()))
    run_all()
    assert results_of("chord_errback") == [] and AsyncResult(waits.id).state == "FAILURE"


@job(name="chord_ignores")
def ignores():
    raise Ignore


# --- bounds ----------------------------------------------------------------------------------------------------


def test_a_chord_waits_for_a_bounded_number_of_jobs(monkeypatch):
    monkeypatch.setattr(chords, "MOST", 3)
    for canvas in (
        chord([add.s(1, 1)] * 4, chord_collects.s()),
        chain(add.s(1, 1), group([add.s(1)] * 4), chord_collects.s()),
    ):
        with pytest.raises(ValueError, match="A chord waits for at most 3 jobs, and this one has 4"):
            canvas.delay()
    assert not Job.objects.exists() and not Chord.objects.exists()


def test_results_that_are_too_much_for_a_process_fail_the_body_and_say_so(monkeypatch):
    monkeypatch.setattr(creation, "MOST_RESULTS", 50_000)
    chord([long.s(40_000), long.s(40_000)])(chord_collects.s())
    run_all()
    (row,) = bodies()
    assert row.state == "failed" and "the results that the chord waited for take more than 50,000 bytes" in row.error


def test_a_result_that_is_gone_fails_the_body_and_says_so():
    chord([add.s(1, 1), add.s(2, 2)])(chord_collects.s())
    first, second = Job.objects.order_by("id")
    perform(first).delete()
    perform(second)
    (row,) = bodies()
    assert row.state == "failed" and "a job that the chord waited for is gone" in row.error


@job(name="chord_measures")
def measures(text: str) -> int:
    return len(text)


def test_a_long_result_goes_by_reference_to_a_parameter_of_any_type():
    last = chain(long.s(40_000), measures.s()).delay()
    run_all()
    assert last.get(timeout=1) == 40_000 and len(Job.objects.get(uid=last.id).params["text"]) == 36


def test_a_chord_is_kept_as_long_as_a_job_may_still_count_for_it_or_read_from_it():
    chord([long.s(40_000), long.s(40_000)])(chord_collects.s())
    run_all()
    chord([add.s(1, 1), chain(add.s(1, 1), replaces.s("fail"), add.s(1))])(chord_collects.s())
    run_all()
    chord([add.s(1, 1)])(chord_collects.s())
    before = timezone.now() + timedelta(seconds=1)
    assert forget_chords(before) == 1  # says of a step after a failed one that it does not come
    assert forget_chords(before) == 0 and Chord.objects.count() == 3
    Job.objects.all().delete()
    assert forget_chords(before) == 3 and not Chord.objects.exists()


@pytest.mark.parametrize("inside", ["chain", "group", "chord"])
def test_options_of_a_canvas_within_a_canvas_are_those_of_its_tasks(inside):
    match inside:
        case "chain":
            within = chain(add.s(1), add.s(1)).set(priority=9, link_error=[errback.s()], link=[chord_collects.s()])
        case "group":
            within = group(add.s(1), add.s(1)).set(priority=9)
        case "chord":
            within = chord([add.s(1), add.s(1)], chord_collects.s()).set(priority=9, link_error=[errback.s()])
    chain(add.s(1, 1), group(within, add.s(5)) if inside == "chain" else within).delay()
    run_all()
    urgent = list(Job.objects.filter(priority=9).order_by("id").values_list("kind", flat=True))
    assert urgent == {"chain": ["add"], "group": ["add"] * 2, "chord": ["add", "add", "chord_collects"]}[inside]
    assert Job.objects.filter(kind="chord_collects").count() == {"chain": 1, "group": 0, "chord": 1}[inside]


def test_an_end_that_was_never_committed_counts_for_nothing():
    chord([add.s(1, 1), add.s(2, 2)])(chord_collects.s())
    first, second = Job.objects.order_by("id")
    perform(first)
    held = lifecycle.claim(second.uid, "w", 1)
    with suppress(ZeroDivisionError), transaction.atomic():  # what a database does for a process that is killed here
        assert lifecycle.succeed(held, 4) is not None and bodies()
        raise ZeroDivisionError
    assert not bodies()
    lifecycle.rescue(held)
    perform(Job.objects.get(pk=second.pk))
    assert [row.params["results"] for row in bodies()] == [[2, 4]]

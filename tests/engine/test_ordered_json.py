"""What a job was given and what it returned comes back as it was, from both databases."""

import json
from typing import Any

import pytest
from celery import chain
from django.core.management import call_command
from django.db import connection

from tasks.access.models import Entry
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.engine.ordered_json import TEXT, is_kept
from tasks.kinds.basic import noop
from tasks.queries import details
from tests.tasks import plain_task
from tests.web.test_pages import browser, made

pytestmark = pytest.mark.django_db
ORDERED = {"name": "Ann", "id": 7, "10": 1, "2": [{"bb": 1, "a": 2}], "é": None, "zz": {"y": 1, "x": 2}}
NUMBERS = [9007199254740993, 1.0, -0.0, 1e16, 1e300, 5e-324, 2**64, 10**400, 0.1, 1e-7, True]


def succeeded(result: Any) -> Job:
    job = lifecycle.claim(made(seconds=1, kind="countdown").uid, "w1@here", 1)
    return lifecycle.succeed(job, result)


def written(value: Any) -> str:
    return json.dumps(value)  # equal objects may differ in their order, equal numbers in their digits


RESULTS = [
    ORDERED,
    [ORDERED, 1],
    NUMBERS,
    {TEXT: "mine", "a": 1},
    {TEXT: ORDERED},
    "text",
    1.0,
    {},
]


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_comes_back_as_it_was(result: Any) -> None:
    moved = succeeded(result)
    assert written(moved.result) == written(result), "of the row that the move returned"
    assert written(Job.objects.get(pk=moved.pk).result) == written(result)
    assert written(Job.objects.values_list("result", flat=True).get(pk=moved.pk)) == written(result)
    assert written(details.detail(moved.uid)["result"]) == written(result)
    api = browser("vera").get(f"/api/v1/jobs/{moved.uid}/").content.decode()
    assert written(json.loads(api)["result"]) == written(result)


def test_what_a_database_keeps_by_itself_is_stored_as_ever() -> None:
    assert is_kept({"id": 1, "name": [1.5, {"a": 1, "b": 2}]})
    assert not is_kept({"name": 1, "id": 2})
    succeeded({"id": 1, "name": 2})
    with connection.cursor() as cursor:
        cursor.execute("SELECT result FROM tasks_job")
        assert json.loads(cursor.fetchone()[0]) == {"id": 1, "name": 2}


def test_rows_of_earlier_versions_are_read_as_they_are() -> None:
    job = made()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tasks_job SET result = %s", [json.dumps({"id": 1, "name": [1]})])
    assert Job.objects.get(pk=job.pk).result == {"id": 1, "name": [1]}


def test_objects_stay_readable_for_lookups() -> None:
    job = succeeded(ORDERED)
    assert Job.objects.filter(result__name="Ann", result__zz__x=2, params__seconds=1).get() == job
    job.result = ORDERED | {"name": "Bo"}
    job.save()
    Job.objects.filter(result__name="Bo").update(result=[ORDERED])
    assert written(Job.objects.get(pk=job.pk).result) == written([ORDERED])


def test_parameters_come_in_the_order_of_the_signature_and_what_they_hold_in_its_own() -> None:
    job, _ = lifecycle.submit("plain_task", {"a": ORDERED})
    job = Job.objects.get(pk=job.pk)
    assert written(job.params["a"]) == written(ORDERED)
    countdown = details.detail(made(kind="countdown", steps=2, seconds=3).uid)
    assert list(countdown["params"]) == ["seconds", "steps", "fail"]
    Job.objects.update(params={"unknown": 1, "fail": False, "steps": 2})
    assert list(details.detail(countdown["id"])["params"]) == ["steps", "fail", "unknown"]


def test_a_step_of_a_chain_gets_what_it_was_given_and_what_came_before_it() -> None:
    result = chain(noop.si(), plain_task.si(ORDERED), plain_task.s()).delay()
    before = Job.objects.get(uid=result.parent.parent.id)
    lifecycle.succeed(lifecycle.claim(before.uid, "w1@here", 1), None)
    middle = Job.objects.get(uid=result.parent.id)
    assert written(middle.params["a"]) == written(ORDERED)
    lifecycle.succeed(lifecycle.claim(middle.uid, "w1@here", 1), [ORDERED])
    assert written(Job.objects.get(uid=result.id).params["a"]) == written([ORDERED])


def test_an_audit_entry_keeps_the_order_of_what_it_says() -> None:
    entry = Entry.objects.create(who="ada", via="shell", action="submit", detail=ORDERED)
    assert written(Entry.objects.get(pk=entry.pk).detail) == written(ORDERED)


def test_there_is_nothing_to_migrate() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)

"""JSON and moments that nobody here has written: the row is read all the same, beside all others."""

import pytest
from django.db import DataError, connection
from django.test import Client

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)
VALUES = {
    "a number without end": '{"a": 1e999, "b": [-1e999]}',
    "a number of 5,000 digits": '{"a": ' + "9" * 5_000 + "}",
    "half a letter": '["\\ud83d", {"\\udc80": 1}]',
    "900 levels": '{"a": ' + "[" * 900 + "1" + "]" * 900 + "}",
    "4,000 levels": "[" * 4_000 + "]" * 4_000,
    "types that are none": '{"⁝": 5, "⋮": "[1e999"}',
    "no number": '{"⋮": "[NaN, -Infinity]"}',
}
MOMENTS = ["infinity", "-infinity", "4713-01-01 00:00:00+00 BC", "294276-12-31 00:00:00+00"]


def write(column: str, value: str) -> Job:
    """A job as its submit left it, but for one column. Skipped if this database refuses the value."""
    job, _ = lifecycle.submit("countdown", {"seconds": 1}, owner=person("alice"))
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE tasks_job SET {column} = %s WHERE id = %s", [value, job.pk])
    except DataError:
        pytest.skip("refused")
    except Exception as error:
        if "CHECK" not in str(error):
            raise
        pytest.skip("refused")
    return job


def ask_for_all(job: Job) -> None:
    lifecycle.submit("noop", {}, owner=person("alice"))
    client = Client()
    client.force_login(person("ada"), "django.contrib.auth.backends.ModelBackend")
    api = call("ada", "manage")
    assert len(api.get("/api/v1/jobs/").json()["results"]) == 2
    for address in (f"jobs/{job.uid}/", "jobs/export/?format=json", "jobs/export/?format=csv"):
        answer = Client().get(f"/api/v1/{address}", headers=api.headers)
        assert answer.status_code == 200, answer.content[:300]
        b"".join(answer) if answer.streaming else answer.json()
    for address in ("/", "/jobs/", f"/jobs/{job.uid}/"):
        assert client.get(address).status_code == 200, address


@pytest.mark.long
@pytest.mark.parametrize("column", ["params", "result", "headers"])
@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_cannot_be_read_costs_no_answer(column: str, name: str) -> None:
    ask_for_all(write(column, VALUES[name]))


@pytest.mark.parametrize("column", ["created_at", "due_at", "started_at", "finished_at", "expires_at"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_moment_that_is_none_costs_no_answer(column: str, moment: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("moments of PostgreSQL")
    ask_for_all(write(column, moment))

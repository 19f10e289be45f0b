"""A job whose values JSON has no form for: the row, its pages and answers, the function, the result, a copy."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from celery.result import AsyncResult

from tasks.base import job
from tasks.engine.models import Job
from tests.support.calls import call
from tests.support.people import person
from tests.support.runs import perform
from tests.support.signatures import UID

pytestmark = pytest.mark.django_db(transaction=True)
VALUE = {
    "order": UUID(UID),
    "at": [datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1)],
    "sum": Decimal("1.50"),
    "z": b"x",
}
SHOWN = {"order": UID, "at": ["2026-01-01T00:00:00Z", "2026-01-01"], "sum": "1.50", "z": "x"}


@job(name="values_returns")
def returns(value, *more, fmt="csv", **named):
    return [value, list(more), fmt, named]


def test_values_arrive_as_their_types_and_are_shown_as_text(client):
    result = returns.delay(VALUE, 1, UUID(UID), extra=b"\xff")
    row = Job.objects.get()
    assert row.params == {"value": SHOWN, "more": [1, UID], "fmt": "csv", "extra": "/w=="}
    assert list(Job.objects.filter(params__value__order=UID)) == [row], "lookups find the text"
    done = perform(row)
    returned = [VALUE, [1, UUID(UID)], "csv", {"extra": b"\xff"}]
    assert result.get(timeout=1) == returned == AsyncResult(result.id).result
    shown = call("vera").get(f"jobs/{row.uid}/").json()
    assert (
        (shown["params"], shown["result"])
        == (row.params, done.result)
        == (row.params, [SHOWN, [1, UID], "csv", {"extra": "/w=="}])
    )
    assert "⋮" not in shown and "__type__" not in str(shown)
    client.force_login(person("vera"))
    page = client.get(f"/jobs/{row.uid}/").text
    assert UID in page and "⋮" not in page and "__type__" not in page


def test_a_copy_by_the_api_keeps_the_types():
    returns.delay(UUID(UID))
    first = Job.objects.get()
    answer = call("alice").post("jobs/", {"copy_of": str(first.uid)})
    assert answer.status_code == 201, answer.content
    copy = perform(Job.objects.get(uid=answer.json()["id"]))
    assert copy.result[0] == UID and copy.result[0].type == "uuid"


def test_a_retry_gives_the_same_values():
    @job(name="values_fails_once", bind=True, max_retries=1)
    def fails_once(self, when, n=1):
        if not self.request.retries:
            raise self.retry(countdown=0)
        return [when, n]

    fails_once.delay(date(2026, 1, 1))
    row = perform(Job.objects.get())
    Job.objects.filter(pk=row.pk).update(state="queued", due_at=None)
    assert perform(row).result == ["2026-01-01", 1]

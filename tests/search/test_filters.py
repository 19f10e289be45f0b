"""What each new filter finds, on the database that is there: parameters, errors, times, what is left out."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tasks.engine import lifecycle
from tasks.engine.models import Attempt, Job
from tasks.search import finder
from tasks.search.language import FILTERS, Query, SearchError, edited, parse, taken_for_words
from tasks.search.wording import describe_query
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db


def row(**columns) -> Job:
    now = timezone.now()
    rest = {"state": "succeeded", "kind": "noop", "queue": "default", "created_at": now} | columns
    return Job.objects.create(**rest)


def found(text: str, **given) -> list[int]:
    query = Query.of({"q": [text]} | given, "alice", timezone.now())
    return sorted(job.pk for job in finder.find(query, Job.every.all()).jobs)


def keys(*jobs: Job) -> list[int]:
    return sorted(job.pk for job in jobs)


def test_a_parameter_is_found_by_its_name_and_value():
    number, text = row(params={"order_id": 8812}), row(params={"order_id": "8812"})
    other, nested = row(params={"order_id": 88123, "n": 8812}), row(params={"order": {"id": 8812}})
    several, flag = row(params={"orders": [7, 8812, "Ünter"], "z": 1}), row(params={"again": True, "note": None})
    cut = row(params={"customer": "Ann Lee", "amount": 1.5, "order_id": -3})
    cases = {
        "args.order_id:8812": [number, text], "args.order_id:8812,-3": [number, text, cut],
        "args.order.id:8812": [nested],
        "args.orders:8812": [several], "args.orders:Ünter": [several], "args.again:true": [flag], "args.again:1": [],
        "args.note:null": [flag], 'args.customer:"ann lee"': [cut], "args.customer:ann": [], "args.amount:1.5": [cut],
        "args.nothing:null": [], "args.n:8812 args.order_id:88123": [other], "args.order_id:88123 -args.n:8812": [],
        "-args.order_id:8812 args.order_id:88123": [other],
    }  # fmt: skip
    for asked, jobs in cases.items():
        assert found(asked) == keys(*jobs), asked
    assert found("", **{"args.order_id": ["8812"]}) == keys(number, text)
    answer = call("vera").get("jobs/?args.order_id=8812&state=succeeded")
    assert {each["id"] for each in answer.json()["results"]} == {str(number.uid), str(text.uid)}
    assert call("vera").get("jobs/?args=8812").status_code == 400


def test_a_secret_is_never_found():
    job, _ = lifecycle.submit("keeps_a_secret", {"name": "till", "password": "opensesame"})
    assert found("till") == [job.pk]
    for asked in ("opensesame", "args.password:opensesame", "error:opensesame", "args.name:opensesame"):
        assert found(asked) == [], asked
    with pytest.raises(SearchError):
        found("args.password:•••")


def test_titles_are_searched():
    job, other = row(title="order 8812 for Ännchen"), row(title="order 8813")
    assert found("8812") == found('"ORDER 8812"') == found("ännchen") == [job.pk]
    assert found("order -8812") == [other.pk]


def test_errors_of_all_attempts_are_searched():
    job = row(attempt=2)
    Attempt.objects.create(job=job, number=1, outcome="retrying", error="GatewayError: 502 von Köln",
                           finished_at=timezone.now(), worker="w9@there")  # fmt: skip
    last, quiet = row(state="failed", error="ValueError: no"), row(attempt=1, worker="w1@here")
    assert found("502") == found('error:"502 von"') == found("error:KÖLN") == [job.pk]
    assert found("error:502,ValueError") == keys(job, last)
    assert found("-error:gateway,valueerror") == [quiet.pk]
    assert found("worker:w9@there") == [job.pk] and found("worker:w1@here,w9@there") == keys(job, quiet)
    assert found("-worker:w9@there") == keys(last, quiet)


def test_how_long_a_job_ran():
    now = timezone.now()
    ran = {seconds: row(started_at=now - timedelta(seconds=seconds), finished_at=now) for seconds in (0.2, 3, 100)}
    running = row(state="running", started_at=now - timedelta(hours=2))
    waits = row(state="retrying", started_at=now - timedelta(hours=2), due_at=now)
    for asked, jobs in {
        "took:>1s": [ran[3], ran[100], running], "took:<500ms": [ran[0.2]], "took:>1s took:<1min": [ran[3]],
        "took:>1h": [running], "took:>=100": [ran[100], running], "took:<=3s state:succeeded": [ran[0.2], ran[3]],
    }.items():  # fmt: skip
        assert found(asked) == keys(*jobs), asked
    assert waits.pk not in found("took:>0s")
    assert {each["id"] for each in call("vera").get(f"jobs/?{urlencode({'took': '>1min'})}").json()["results"]} == {
        str(ran[100].uid), str(running.uid)}  # fmt: skip
    longest = finder.longest(Query.of({"q": ["state:succeeded"]}), Job.objects.all())
    assert [job.pk for job in longest.jobs] == [ran[100].pk, ran[3].pk, ran[0.2].pk] and longest.complete


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("since:14:05", datetime(2026, 11, 28, 14, 5)),
        ("since:09:30:15", datetime(2026, 11, 28, 9, 30, 15)),
        ("since:23:00", datetime(2026, 11, 27, 23, 0)),
        ("since:yesterday", datetime(2026, 11, 27)),
        ("since:today", datetime(2026, 11, 28)),
        ('since:"yesterday 14:05"', datetime(2026, 11, 27, 14, 5)),
        ("since:2h", datetime(2026, 11, 28, 14, 0)),
        ('since:"2026-11-20 10:00"', datetime(2026, 11, 20, 10)),
    ],
)
def test_times_as_people_say_them(text, at):
    now = datetime(2026, 11, 28, 16, 0, tzinfo=UTC)
    assert Query.of({"q": [text]}, now=now).since == at.replace(tzinfo=UTC)


def test_what_ended_within_a_span():
    at = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
    jobs = [row(created_at=at - timedelta(hours=3), finished_at=at + timedelta(minutes=n)) for n in range(4)]
    row(state="queued", created_at=at)
    assert found("ended:2026-11-20T14:01Z..2026-11-20T14:03Z") == keys(*jobs[1:3])
    assert found("ended:2026-11-20T14:02Z..") == keys(*jobs[2:]) and found("ended:..2026-11-20T14:01Z") == keys(jobs[0])
    with pytest.raises(SearchError, match="takes a span"):
        found("ended:14:05")


def test_a_span_of_times_of_day_goes_on_to_the_next_such_time():
    now = datetime(2026, 11, 28, 14, 30, tzinfo=UTC)

    def read(text: str) -> Query:
        return Query.of({"q": [text]}, now=now)

    day = datetime(2026, 11, 28, tzinfo=UTC)
    open_still = day + timedelta(hours=14), day + timedelta(hours=15)
    assert read("ended:14:00..15:00").ended == open_still, "the hour that is not over yet"
    assert (read("since:14:00 until:15:00").since, read("since:14:00 until:15:00").until) == open_still
    night = day - timedelta(minutes=10), day + timedelta(minutes=10)
    assert read("ended:23:50..00:10").ended == night


@pytest.mark.parametrize(
    "text",
    ["since:1h until:2h", "until:2026-11-01 since:2026-11-02", "ended:2026-11-02..2026-11-01", "ended:today..today"],
)
def test_a_time_that_ends_before_it_begins_is_refused_and_not_searched(text):
    with pytest.raises(SearchError, match=r"(until|ended): ends before it begins"):
        Query.of({"q": [text]}, now=datetime(2026, 11, 28, 14, 30, tzinfo=UTC))


def test_what_is_left_out():
    noop, io = row(), row(kind="site_sizes", queue="io", owner=person("alice"))
    failed = row(state="failed", owner=person("bob"))
    for asked, jobs in {
        "-state:failed": [noop, io], "-kind:site_sizes": [noop, failed], "-queue:io -state:failed": [noop],
        "-owner:bob": [noop, io], "-owner:me": [noop, failed], "-owner:bob,alice": [noop], "-state:succeeded": [failed],
        "-site_si": [noop, failed], "-state:failed state:failed": [], "-state:failed,succeeded": [],
    }.items():  # fmt: skip
        assert found(asked) == keys(*jobs), asked


def test_our_own_jobs_are_meant_unless_an_app_is_named():
    ours, theirs = row(release="4f2a"), row(app="shop", state="unknown")
    other = row(app="mail", release="4f2a")
    assert found("") == found("kind:noop -state:unknown") == [ours.pk]
    assert found("app:shop") == [theirs.pk] and found("app:shop,mail") == keys(theirs, other)
    assert found("app:*") == keys(ours, theirs, other)
    for app, both in (("*", [theirs]), ("shop,mail", [theirs]), ("mail", []), ("own", [])):
        assert found("app:shop", app=[app]) == found(f"app:{app}", app=["shop"]) == keys(*both), app
    assert found("app:* release:4f2a") == keys(ours, other)
    assert found("state:unknown") == []


def test_a_search_is_said_in_words():
    text = 'args.order_id:8812 took:>1s error:"a b",c -kind:noop -x worker:w1'
    assert describe_query(Query.of({"q": [text]})) == (
        "jobs run by worker w1, whose order_id is 8812, whose error has “a b” or “c”, that ran longer than 1 s, "
        "but not those of kind noop, but not those with “x”"
    )


PIECES = st.lists(
    st.sampled_from(['"', "-", ":", ",", "args.", "args.a:", "took:>", "1s", "since:", "14:05", "yesterday", " ", "OR"])
    | st.sampled_from([f"{name}:" for name in FILTERS])
    | st.text(max_size=6),
    max_size=12,
).map("".join)


class LanguageTest(TestCase):
    @pytest.mark.long
    @settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
    @given(PIECES)
    def test_whatever_is_typed_is_understood_or_refused_in_words(self, text):
        try:
            query = Query.of({"q": [text]}, "alice", timezone.now())
        except SearchError as wrong:
            assert wrong.errors and all(said.endswith((".", '".')) for said in wrong.errors.values()), wrong.errors
            return
        assert describe_query(query)
        assert all("taken for a word" in said for said in taken_for_words(text))
        finder.find(query, Job.objects.all())
        parse(edited(text, "state", "failed"))

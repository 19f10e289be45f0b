"""The search language: what it takes, what it finds, what it refuses, and that it never reads more than its budget."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.engine.uid import uuid7
from tasks.search import finder
from tasks.search.language import Query, SearchError, parse, taken_for_words
from tasks.web.links import quoted
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "filters", "words"),
    [
        ("", {}, ()),
        ("timeout", {}, ("timeout",)),
        ("state:failed kind:fetch_feed", {"state": ["failed"], "kind": ["fetch_feed"]}, ()),
        ("State:FAILED", {"state": ["FAILED"]}, ()),
        ('kind:noop "two words" one', {"kind": ["noop"]}, ("two words", "one")),
        ("state:failed state:cancelled", {"state": ["failed", "cancelled"]}, ()),
        ("https://example.org/x since:2h", {"since": ["2h"]}, ("https://example.org/x",)),
        ('"state:failed"', {}, ("state:failed",)),
        ('owner:"anna maria"', {"owner": ["anna maria"]}, ()),
        ("12:30", {}, ("12:30",)),
        ("args.order_id:8812", {"args.order_id": ["8812"]}, ()),
        ("ARGS.order_id:8812", {"args.order_id": ["8812"]}, ()),
        ("-state:failed -refused", {"-state": ["failed"], "-": ["refused"]}, ()),
        ('-"two words" error:"502 from"', {"-": ["two words"], "error": ["502 from"]}, ()),
        ("took:>1s took:<1h", {"took": [">1s", "<1h"]}, ()),
        ("worker:w1@host app:shop release:4f2", {"worker": ["w1@host"], "app": ["shop"], "release": ["4f2"]}, ()),
        ("order_id:8812", {}, ("order_id:8812",)),
        ("ValueError: no", {}, ("ValueError:", "no")),
    ],
)
def test_what_is_typed_becomes_filters_and_words(text, filters, words):
    assert parse(text) == (filters, words)


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("stat:failed", "q", "Did you mean state:failed? There is no filter stat:"),
        ("status:failed", "q", "Did you mean state:failed?"),
        ("-colour:red", "q", "There is no filter colour:"),
        ("args.:1", "q", "There is no filter args.:"),
        ("args.password:•••", "args.password", "secrets cannot be searched"),
        ("took:1s", "took", "took: takes a bound such as >1s"),
        ("took:>1week", "took", "took: takes a bound such as >1s"),
        ("-since:2h", "q", "since: cannot be left out"),
        ("since:25:00", "since", "14:05, yesterday"),
        ("state:broken", "state", "There is no state 'broken'. There are: scheduled, queued"),
        ("state:", "q", "state: needs a value"),
        ("since:tomorrow", "since", "2h, 7d"),
        ("until:2026-13-40", "until", "2h, 7d"),
        ("since:2h since:3h", "since", "once"),
        ("id:xyz", "id", "first 4 digits"),
        ("parent:0199", "parent", "a whole id"),
        ('one "two', "q", "quotation mark"),
        ("x" * 501, "q", "500 characters"),
        ("a b c d e f g h i j k", "q", "10 words"),
    ],
)
def test_what_is_refused_is_said_in_one_sentence(text, field, said):
    with pytest.raises(SearchError) as error:
        Query.of({"q": [text]})
    assert said in error.value.errors[field]
    answer = call("vera").get(f"jobs/?{urlencode({'q': text})}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def job(name: str = "alice", kind: str = "countdown", **params) -> Job:
    return lifecycle.submit(kind, params, owner=person(name))[0]


def failed(error: str, **params) -> Job:
    return lifecycle.fail(lifecycle.claim(job(**params).uid, "w1@here", 1), Failure(error, "", "k"))


def ids(path: str, who: str = "alice") -> set[str]:
    answer = call(who).get(path)
    assert answer.status_code == 200, answer.content
    return {each["id"] for each in answer.json()["results"]}


def uid(*jobs: Job) -> set[str]:
    return {str(each.uid) for each in jobs}


@pytest.mark.long
def test_every_filter_in_both_places():
    mine, theirs = job("alice", seconds=1), job("bob", "noop")
    broken = failed("GatewayError: 502 from the bank")
    io = job("bob", "site_sizes", addresses=["https://example.org/ümläut"])
    cases = {
        "state:failed": {broken}, "state:failed,queued": {mine, theirs, broken, io}, "kind:noop": {theirs},
        "queue:io": {io}, "owner:me": {mine, broken}, "owner:bob": {theirs, io}, "owner:nobody": set(),
        "since:1h": {mine, theirs, broken, io}, "until:1h": set(), "until:2020-01-01": set(),
        "since:2020-01-01T00:00:00Z": {mine, theirs, broken, io}, f"id:{mine.uid}": {mine},
        f"id:{str(mine.uid)[:13]}": None, "state:queued owner:bob kind:noop": {theirs}, "state:failed kind:noop": set(),
    }  # fmt: skip
    for text, found in cases.items():
        by_box = ids(f"jobs/?q={text}")
        names = [part.split(":", 1) for part in text.split()]
        by_filter = ids("jobs/?" + "&".join(f"{name}={value}" for name, value in names))
        assert by_box == by_filter
        assert by_box == uid(*found) if found is not None else str(mine.uid) in by_box, text
    assert ids("jobs/?state=failed&state=queued&kind=noop") == uid(theirs)
    for moment in ("2020-01-01T00:00:00+02:00", "2020-01-01T00:00:00.5%2B02:00", "2020-01-01 10:00"):  # + not encoded
        assert ids(f"jobs/?since={moment}") == uid(mine, theirs, broken, io), moment
    assert ids("jobs/?state=failed&q=state:queued") == set()  # joined by AND


def test_words_are_looked_for_in_parameters_errors_and_kinds():
    broken = failed("GatewayError: 502 from the bank 100% sure_ly")
    io = job("bob", "site_sizes", addresses=['https://example.org/ümläut "quoted" back\\slash'])
    assert ids("jobs/?q=gateway") == ids("jobs/?q=BANK") == uid(broken)
    assert ids("jobs/?q=ümläut") == ids("jobs/?q=EXAMPLE.org") == ids("jobs/?q=site_si") == uid(io)
    assert ids("jobs/?q=back%5Cslash") == uid(io)
    assert ids("jobs/?q=100%25") == uid(broken)
    assert ids("jobs/?q=1_0%25") == set()  # no wildcards
    assert ids("jobs/?q=502+bank") == uid(broken) and ids("jobs/?q=502+example.org") == set()
    assert ids("jobs/?q=%22502+from+the%22") == uid(broken) and ids("jobs/?q=%22from+502%22") == set()


def many(n: int, **columns) -> list[Job]:
    """Rows as a long history has them."""
    now = timezone.now()
    rows = {"state": "succeeded", "kind": "noop", "queue": "default", "created_at": now, "finished_at": now} | columns
    return Job.objects.bulk_create((Job(uid=uuid7(), **rows) for _ in range(n)), batch_size=1000)


def test_a_search_looks_so_far_says_so_and_goes_on(monkeypatch):
    monkeypatch.setattr(finder, "LOOK_S", 0)  # one step
    monkeypatch.setattr(finder, "STEP", 100)
    needle = failed("the needle")
    many(250)
    alice, url, steps, found = call("alice"), "jobs/?q=needle&limit=5", [], []
    while url:
        page = alice.get(url).json()
        steps.append("looked" not in page)
        assert "looked" not in page or datetime.fromisoformat(page["looked"]["back_to"]) < datetime.now(UTC)
        found += [each["id"] for each in page["results"]]
        url = page["next"]
    assert steps == [False, False, True] and found == [str(needle.uid)]


@pytest.mark.long
def test_a_search_looks_as_far_as_its_time_allows_and_not_so_many_rows(monkeypatch):
    monkeypatch.setattr(finder, "LOOK_S", 60)
    monkeypatch.setattr(finder, "STEP", 10)
    needle = failed("the needle")
    many(2_000)
    found, queries = rows_read(Query.of({"q": ["needle"]}))
    assert [each.pk for each in found.jobs] == [needle.pk] and found.complete
    assert queries < 20, "steps grow"


def test_pages_of_a_search_forth_and_back(monkeypatch):
    wanted = []
    for n in range(6):
        many(3)
        wanted.append(failed(f"needle {n}"))
    expected = [str(each.uid) for each in reversed(wanted)]
    alice, url, seen = call("alice"), "jobs/?q=needle&limit=2", []
    while url:
        page = alice.get(url).json()
        seen.append([each["id"] for each in page["results"]])
        url, last = page["next"], page
    assert [each for page in seen for each in page] == expected
    back = alice.get(last["previous"]).json()
    assert [each["id"] for each in back["results"]] == seen[-2]


def rows_read(query: Query, **options) -> tuple[finder.SearchResult, int]:
    """What a search finds, and how many queries it needs."""
    with CaptureQueriesContext(
        connection,
    ) as asked:
        found = finder.find(query, Job.objects.all(), **options)
    return found, len(asked)


def test_a_search_needs_few_queries_whatever_the_history():
    many(500)
    for text in ("needle", "kind:noop", "state:failed", "queue:io owner:alice", "needle kind:noop"):
        found, queries = rows_read(Query.of({"q": [text]}))
        assert queries <= 4, (text, queries)
        assert found.complete or found.older


def test_since_and_until_are_found_by_halving():
    start = timezone.now() - timedelta(days=30)
    for day in range(30):
        many(3, created_at=start + timedelta(days=day))
    query = Query(since=start + timedelta(days=9, hours=12), until=start + timedelta(days=11, hours=12))
    found, queries = rows_read(query)
    assert len(found.jobs) == 6 and queries < 40
    assert {(each.created_at - start).days for each in found.jobs} == {10, 11}


def test_the_cursor_of_another_list_and_a_forged_one_are_refused():
    for _ in range(3):
        job()
    ada = call("ada")
    cursor = ada.get("jobs/?limit=1").json()["next"].partition("cursor=")[2]
    longer = f"jobs/?cursor={cursor}%3D%3D", f"jobs/?cursor={cursor}AAAA"
    for path in (
        *longer,
        f"audit/?cursor={cursor}",
        f"jobs/?cursor={cursor[:-8]}AAAAAAA%3D",
        "jobs/?cursor=eyJvbGRlciI6IDF9",
    ):
        answer = ada.get(path)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["cursor"])


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite, which has no statistics to choose by")
@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("state:failed", "job_bad"),
        ("state:cancelled needle", "job_bad"),
        ("state:failed kind:noop owner:alice", "job_bad"),
        ("state:queued", "PRIMARY KEY (rowid=?)"),
        ("state:scheduled", "PRIMARY KEY (rowid=?)"),
        ("state:scheduled,queued,running,retrying kind:noop", "PRIMARY KEY (rowid=?)"),
        ("owner:alice kind:noop", "job_owner"),
        ("kind:noop queue:io", "job_kind"),
    ],
)
def test_an_index_leads_to_what_is_looked_for(text, index):
    person("alice")
    lifecycle.submit("noop", {})
    lifecycle.submit("noop", {}, due_at=datetime(2999, 1, 1, tzinfo=UTC))
    with CaptureQueriesContext(connection) as asked:
        finder.find(Query.of({"q": [text]}), Job.objects.all())
    plans = {each["sql"]: plan(each["sql"]) for each in asked if each["sql"].startswith("SELECT")}
    whole = [step for steps in plans.values() for step in steps if step.startswith("SCAN") and "INDEX" not in step]
    assert whole == [], "no question reads the whole table"
    (found,) = (steps for sql, steps in plans.items() if "progress_note" in sql)
    assert any(index in step for step in found), found


def plan(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}".replace("%", "%%"))
        return [row[3] for row in cursor.fetchall()]


def test_states_that_contradict_each_other_find_nothing():
    job()
    assert ids("jobs/?q=state:queued&state=failed") == ids("jobs/?q=state:running&state=queued") == set()


def test_many_live_jobs_are_searched_as_any_others(monkeypatch):
    monkeypatch.setattr(finder, "FEW", 2)
    waiting = [job() for _ in range(4)]
    failed("x")
    assert ids("jobs/?q=state:queued") == uid(*waiting)
    assert ids("jobs/?q=state:queued,running,retrying,scheduled") == uid(*waiting)


@pytest.mark.parametrize("word", ["OR", "AND", "NOT"])
def test_what_other_search_boxes_know_is_refused_and_not_taken_for_a_word(word):
    with pytest.raises(SearchError) as wrong:
        parse(f"timeout {word} refused")
    assert str(wrong.value).startswith(f"{word} is not understood. Filters and words must all be true; a comma means")


@pytest.mark.parametrize("text", ['"OR"', "or", "--state", '"-1"', "-", '"-state:failed"', "Oregon", "a-b"])
def test_what_only_looks_like_it_is_a_word(text):
    assert parse(text) == ({}, (text.replace('"', ""),))


def test_what_was_taken_for_a_word_is_said():
    assert taken_for_words('state:failed order_id:8812 "a:b" 12:30 x') == [
        "“order_id:8812” was taken for a word, since there is no filter order_id:. "
        "A parameter is searched by its name: args.order_id:8812"
    ]
    answer = call("vera").get("jobs/?q=colour:red")
    assert answer.status_code == 200 and "“colour:red” was taken for a word" in answer.json()["notes"][0]
    assert "notes" not in call("vera").get("jobs/?q=red").json()


@pytest.mark.parametrize("name", ["a b", "a,b", 'say "so"', '"', ",", "//a", "a:b", " x", "a\tb", "state:failed", "x"])
def test_any_name_can_be_searched_for(name):
    query = Query.of({"q": [f"kind:{quoted(name)} one"]})
    assert (query.kind, query.words) == ((frozenset({name.strip()}),), ("one",))

"""Every list is a page by keyset: ``limit``, ``next`` and ``previous``, also of what is no table."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Worker
from tasks.failures import groups
from tasks.observe.models import App
from tests.support.calls import call
from tests.support.people import person
from tests.support.routes import API, actions
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db
NO_LISTS = {"", "stats/", "jobs/export/"}
LISTS = sorted(
    route for route, said in API.items() if "GET" in actions(said) and "<" not in route and route not in NO_LISTS
)


def pages(path: str, link: str = "next") -> Iterator[dict[str, Any]]:
    ada = call("ada")
    while path:
        page = ada.get(path).json()
        yield page
        path = page[link]


@pytest.fixture
def several() -> None:
    """Three workers and three applications; failures of two kinds in three groups, and one of an application."""
    for name in ("b", "a", "c"):
        now = timezone.now()
        Worker.objects.create(name=f"{name}@here", host="here", pid=1, seen_at=now, started_at=now)
        App.objects.create(name=f"{name}-shop", transport="redis")
    for kind, error in (("noop", "x"), ("countdown", "y"), ("noop", "z"), ("noop", "x")):
        job = lifecycle.submit(kind, {}, owner=person("ada"))[0]
        lifecycle.fail(lifecycle.claim(job.uid, "w@h", 1), Failure(f"{error}!", "", error))
    watched("failed", "a-shop", error_key="k")


def names(pages: Iterable[dict[str, Any]]) -> list[str]:
    """Of rows, not their ages."""
    return [row.get("id") or row["name"] for page in pages for row in page["results"]]


@pytest.mark.long
@pytest.mark.parametrize("path", ["kinds/?", "queues/?", "workers/?", "apps/?", "failures/?", "failures/?app=*&"])
def test_a_list_that_is_no_table_is_read_page_by_page_and_back(several, path):
    whole = list(pages(path))
    expected = names(whole)
    assert len(whole) == 1 and whole[0]["previous"] is None and len(expected) > 2
    onward = list(pages(f"{path}limit=1"))
    assert names(onward) == expected
    back = list(pages(onward[-1]["previous"], "previous"))
    assert names(reversed(back)) == expected[:-1]
    assert back[-1]["next"], "and from there onward again"
    two = call("ada").get(f"{path}limit=2").json()
    assert names([call("ada").get(two["next"]).json()]) == expected[2:4]


@pytest.mark.long
@pytest.mark.parametrize("path", LISTS)
def test_every_list_takes_a_limit_of_a_hundred_and_its_own_cursors_only(several, path):
    ada = call("ada")
    assert ada.get(f"{path}?limit=100").status_code == 200
    other = ada.get(f"{'queues' if path == 'kinds/' else 'kinds'}/?limit=1").json()["next"]
    for query in ("limit=101", "limit=0", "limit=x", "cursor=x", other.partition("limit=1&")[2]):
        answer = ada.get(f"{path}?{query}")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [query.partition("=")[0]]), query


def test_the_hundred_newest_groups_of_failures_are_not_all_there_are(several, monkeypatch):
    monkeypatch.setattr(groups, "MOST", 1)
    assert len(call("ada").get("failures/").json()["results"]) == 3

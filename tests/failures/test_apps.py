"""Failures of watched applications stand on the page beside our own, and never among them for a program."""

import pytest

from tasks.observe.models import App
from tasks.search import finder
from tests.failures.test_groups import GatewayError, failed, listed, page, send
from tests.support.calls import call
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db

PAY = "shop.tasks.pay"


@pytest.fixture(autouse=True)
def shop():
    App.objects.create(name="shop", transport="redis")


def lost(error: str, kind: str = PAY, key: str = "k1", app: str = "shop"):
    return watched("failed", app, kind=kind, error=error, error_key=key)


def test_a_program_is_told_of_our_own_unless_it_asks_for_an_application():
    failed(GatewayError("502"))
    lost("ValueError: no card 17")
    lost("ValueError: no card 18")
    assert [(each["kind"], each["app"]) for each in listed()] == [("noop", None)]
    assert [(each["kind"], each["app"], each["count"]) for each in listed("?app=shop")] == [(PAY, "shop", 2)]
    assert {each["app"] for each in listed("?app=*")} == {None, "shop"}
    assert "name" not in listed("?app=shop")[0]
    answer = call("vera").get("failures/?app=nobody")
    assert (answer.status_code, "app" in str(answer.json())) == (400, True)


def test_a_kind_of_the_same_name_is_another_group_with_marks_of_its_own():
    failed(GatewayError("502 from 'bank a'"), "countdown")
    key = listed()[0]["key"]
    lost("GatewayError: 502 from 'bank a'", "countdown", key)
    mine, theirs = listed()[0], listed("?app=shop")[0]
    assert (mine["count"], theirs["count"], mine["id"] == theirs["id"]) == (1, 1, False)
    given = {"kind": "countdown", "key": key, "app": "shop"}
    assert call("bob").post("failures/handle/", given).json()["handled_by"] == "bob"
    assert (listed()[0]["handled_by"], listed("?app=shop")[0]["handled_by"]) == (None, "bob")
    one = call("bob").get(f"failures/{theirs['id']}/").json()
    assert (one["app"], one["kind"], one["handled_by"]) == ("shop", "countdown", "bob")
    assert call("bob").post(f"failures/{theirs['id']}/snooze/", {}).json()["app"] == "shop"
    assert call("bob").post("failures/reopen/", given).json()["handled_by"] is None


def test_the_page_shows_both_and_one_application_at_a_time_when_asked():
    failed(GatewayError("502"))
    lost("ValueError: no card 17")
    both, ours, theirs = page(), page("?app=own"), page("?app=shop")
    assert "no card" in both and "GatewayError" in both
    assert "no card" not in ours and "GatewayError" in ours
    assert "no card" in theirs and "GatewayError" not in theirs
    assert "app%3Ashop" in theirs  # the link to its jobs
    assert "Retry all" not in theirs and "Retry all" in ours
    group = listed("?app=shop")[0]
    send("handle", group | {"kind": f"shop:{PAY}"})
    assert "no card" not in page() and "no card" in page("?show=handled")


def test_a_flood_in_an_application_does_not_hide_ours(monkeypatch):
    monkeypatch.setattr(finder, "FIRST", 5)
    failed(GatewayError("502"))
    for n in range(9):
        lost(f"ValueError: no card {n}", key=f"k{n}")
    assert "GatewayError" in page()
    assert [each["kind"] for each in listed()] == ["noop"]

"""Logging in: guesses are throttled, nobody locks another out, sessions rotate, and one can log out everywhere."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks.access.models import Entry, Guess, Session
from tasks.account import login
from tests.support.calls import call
from tests.support.people import PASSWORD, person

pytestmark = pytest.mark.django_db


class Browser(Client):
    """A browser at an address."""

    def __init__(self, address: str = "203.0.113.7") -> None:
        super().__init__(REMOTE_ADDR=address)

    def login_as(self, name: str, password: str = PASSWORD, **more):
        return self.post("/login/", {"username": name, "password": password}, **more)

    @property
    def is_in(self) -> bool:
        return self.get("/jobs/").status_code == 200


@pytest.fixture(autouse=True)
def cheap_passwords(settings):
    """The hash is slow by design; what is tested here is what happens before and after it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for name in ("alice", "bob", "ada"):
        user = person(name)
        user.set_password(PASSWORD)
        user.save()


def fail(browser: Browser, name: str, times: int) -> list[int]:
    return [browser.login_as(name, "wrong").status_code for _ in range(times)]


def test_guessing_is_stopped_after_five_and_the_right_password_is_not_even_looked_at():
    browser = Browser()
    assert fail(browser, "alice", 6) == [200] * 5 + [429]
    answer = browser.login_as("alice")
    assert answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 300
    assert b"Try again in 5 minutes" in answer.content
    assert not browser.is_in


def test_after_a_while_it_goes_on(monkeypatch):
    browser = Browser()
    fail(browser, "alice", 5)
    monkeypatch.setattr(login, "NAME_WINDOW", timedelta(0))
    assert browser.login_as("alice").status_code == 302 and browser.is_in


def test_nobody_locks_another_out():
    alice, visitor = Browser("203.0.113.7"), Browser("198.51.100.1")
    fail(visitor, "alice", 8)
    assert alice.login_as("alice").status_code == 302
    alice.post("/logout/")
    neighbour = Browser("203.0.113.7")  # behind the same address
    fail(neighbour, "alice", 8)
    fail(neighbour, "bob", 8)
    assert alice.login_as("alice").status_code == 302  # her browser is known
    assert Browser("203.0.113.7").login_as("alice").status_code == 429


def test_one_place_cannot_try_name_after_name():
    browser = Browser()
    assert {browser.login_as(f"user{n}", "wrong").status_code for n in range(30)} == {200}
    assert browser.login_as("ada").status_code == 429
    assert Browser("198.51.100.1").login_as("ada").status_code == 302


def test_however_a_name_is_spelt_it_is_the_same_one():
    spelt = ("alice", " alice", "alice\t", "\u00a0alice\u2003", "ａlice")
    browser = Browser()
    assert [browser.login_as(name, "wrong").status_code for name in spelt] == [200] * 5
    for name in (*spelt, "\talice ", "ａｌｉｃｅ"):
        assert browser.login_as(name).status_code == 429, name
    assert {entry.target for entry in Entry.objects.filter(code="not-authenticated")} == {"alice"}


@pytest.mark.long
def test_the_guesses_of_others_hold_up_nobody_who_has_logged_in_there_before():
    browser = Browser()
    assert browser.login_as("bob").status_code == 302
    browser.post("/logout/")
    visitor = Browser()  # behind the same address, with another browser
    for n in range(30):
        visitor.login_as(f"user{n}", "wrong")
    assert visitor.login_as("ada").status_code == 429
    assert Browser().login_as("bob", "wrong").status_code == 200
    assert Browser().login_as("bob").status_code == 302
    at_home = Browser("2001:db8:1:2::1")
    at_home.login_as("ada")
    for n in range(30):
        Browser("2001:db8:1:2::2").login_as(f"user{n}", "wrong")
    assert Browser("2001:db8:1:2::3").login_as("ada").status_code == 302
    assert Browser("2001:db8:1:2::3").login_as("alice").status_code == 429


def test_a_guess_that_a_dead_process_left_counts_for_a_minute_only():
    for _ in range(5):
        Guess.objects.create(place="203.0.113.7", name="alice")
    answer = Browser().login_as("alice")
    assert answer.status_code == 429 and int(answer["Retry-After"]) <= 5
    Guess.objects.update(at=timezone.now() - timedelta(minutes=2))
    assert Browser().login_as("alice").status_code == 302
    assert Guess.objects.count() == 0


def test_a_network_of_ipv6_is_one_place():
    for n in range(5):
        fail(Browser(f"2001:db8:1:2::{n:x}"), "alice", 1)
    assert Browser("2001:db8:1:2:ffff::1").login_as("alice").status_code == 429
    assert Browser("2001:db8:1:3::1").login_as("alice").status_code == 302


def test_a_forged_cookie_makes_no_place_of_its_own():
    browser = Browser()
    fail(browser, "alice", 5)
    browser.cookies[login.COOKIE] = "alice:0123:abc:def"
    assert browser.login_as("alice").status_code == 429
    mine = Browser("198.51.100.1")
    mine.login_as("bob")
    browser.cookies[login.COOKIE] = mine.cookies[login.COOKIE].value  # known, but as bob's
    assert browser.login_as("alice").status_code == 429


def test_the_session_rotates_at_login_and_passwords_appear_nowhere(caplog):
    browser = Browser()
    browser.get("/login/")
    browser.session["planted"] = True
    browser.session.save()
    before = browser.cookies.get("signalbox_session")
    assert browser.login_as("alice").status_code == 302
    assert before is None or browser.cookies["signalbox_session"].value != before.value
    browser.login_as("bob", "hunter2hunter2")
    assert "hunter2" not in caplog.text + repr(Entry.objects.values())


def test_logging_out_everywhere():
    browsers = [Browser() for _ in range(3)]
    for browser in browsers:
        browser.login_as("alice")
    other = Browser()
    other.login_as("bob")
    assert browsers[0].get("/logout/everywhere/").status_code == 405
    browsers[0].post("/logout/everywhere/")
    assert [browser.is_in for browser in (*browsers, other)] == [False] * 3 + [True]
    assert list(Session.objects.values_list("user", flat=True)) == [person("bob").pk]


def test_every_attempt_is_in_the_trail():
    browser = Browser()
    browser.login_as("alice", "wrong")
    browser.login_as("alice")
    browser.post("/logout/")
    assert [(e.action, e.outcome, e.target, e.who) for e in Entry.objects.order_by("id")] == [
        ("login", "refused", "alice", ""), ("login", "done", "alice", "alice"), ("logout", "done", "alice", "alice"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "next_", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example"]
)
def test_next_leads_nowhere_else(next_):
    answer = Browser().post(f"/login/?next={next_}", {"username": "alice", "password": PASSWORD, "next": next_})
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_djangos_admin_has_no_door_of_its_own():
    assert Browser().get("/admin/", follow=True).redirect_chain[-1][0].startswith("/login/?next=/admin/")
    assert Browser().post("/admin/login/", {"username": "ada", "password": PASSWORD}).status_code == 302
    for name, status in (("ada", 200), ("alice", 403), ("vera", 403), ("charlie", 403)):
        assert call(name).client.get("/admin/", follow=True).status_code == status, name
    ada = call("ada").client
    for model in ("token", "entry", "sharelink"):
        assert ada.get(f"/admin/door/{model}/").status_code == 200
        assert ada.get(f"/admin/door/{model}/add/").status_code == 403
    entry = Entry.objects.create(via="shell", action="cancel", outcome="done")
    assert ada.post(f"/admin/door/entry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ada.post(f"/admin/door/entry/{entry.pk}/change/", {"who": "bob"}).status_code == 403


def test_what_admins_do_to_people_is_in_the_trail():
    ada, vera = call("ada"), person("vera")
    page = ada.client.get(f"/admin/auth/user/{vera.pk}/change/")
    assert page.status_code == 200
    ada.client.post("/admin/auth/group/add/", {"name": "night shift"})
    entry = Entry.objects.filter(action="admin:added").get()
    assert (entry.who, entry.target) == ("ada", "group night shift")
    assert timezone.now() - entry.at < timedelta(seconds=30)

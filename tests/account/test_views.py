"""One's own account: tokens made and taken back by hand, and a new password."""

import pytest
from django.test import Client
from django.utils import timezone

from tasks.access.models import Entry, Session, Token
from tests.support.calls import Caller, call
from tests.support.people import person

pytestmark = pytest.mark.django_db
OLD, NEW = "an-old-pass-phrase-7", "a-new-pass-phrase-8"


def using(text: str) -> Caller:
    caller = call()
    caller.headers["Authorization"] = f"Token {text}"
    return caller


@pytest.fixture
def alice() -> Client:
    user = person("alice")
    user.set_password(OLD)
    user.save()
    client = Client()
    assert client.login(username="alice", password=OLD)
    return client


def change(client: Client, old: str = OLD, new: str = NEW, again: str = NEW):
    return client.post("/account/password/", {"old_password": old, "new_password1": new, "new_password2": again})


def test_a_token_is_made_shown_once_and_taken_back(alice):
    answer = alice.post("/account/tokens/", {"scope": "manage", "name": "the shop", "days": "7"}, follow=True)
    text = answer.context["secret"]
    assert text in answer.text and "no-store" in answer["Cache-Control"]
    assert using(text).post("jobs/", {"kind": "noop"}).status_code == 201
    page = alice.get("/account/").text
    assert text not in page and text[:8] in page and "the shop" in page
    token = Token.objects.get()
    assert 6.9 < (token.expiry - timezone.now()).total_seconds() / 86_400 <= 7
    assert "was revoked" in alice.post(f"/account/tokens/{token.uid}/delete/", follow=True).text
    assert using(text).get("jobs/").status_code == 401
    assert (
        list(Entry.objects.filter(action="change_tokens").values_list("who", "target", "outcome"))
        == [("alice", f"token {token.uid}", "done")] * 2
    )


def test_nobody_sees_or_takes_another_ones(alice):
    token, text = Token.objects.make(person("ada"), "read", name="of ada")
    assert "of ada" not in alice.get("/account/").text
    assert alice.post(f"/account/tokens/{token.uid}/delete/").status_code == 404
    assert using(text).get("kinds/").status_code == 200


@pytest.mark.parametrize("wrong", [{"scope": "all"}, {"days": "5000"}, {"name": "x" * 101}])
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_made(alice, wrong):
    answer = alice.post("/account/tokens/", {"scope": "read", "name": "n", "days": "7"} | wrong)
    assert answer.status_code == 422 and list(answer.context["form"].errors) == list(wrong)
    assert "No token was created" in answer.text and not Token.objects.exists()


def test_there_is_room_for_a_hundred(alice):
    for _ in range(100):
        Token.objects.make(person("alice"), "read")
    answer = alice.post("/account/tokens/", {"scope": "read", "days": "7"})
    assert answer.status_code == 422 and "You have 100 tokens" in answer.text
    assert Token.objects.count() == 100


def test_a_new_password_ends_all_other_sessions(alice):
    other = Client()
    assert other.login(username="alice", password=OLD)
    answer = change(alice)
    assert answer.status_code == 302
    assert "Your password was changed" in alice.get("/account/").text
    assert other.get("/account/").status_code == 302, "logged out"
    assert not Client().login(username="alice", password=OLD)
    assert Client().login(username="alice", password=NEW)
    assert Entry.objects.filter(action="change-password", who="alice", outcome="done").count() == 1
    assert OLD not in repr(list(Session.objects.values())) and NEW not in repr(list(Entry.objects.values()))


@pytest.mark.parametrize(
    ("old", "new", "again", "field"),
    [
        ("wrong", NEW, NEW, "old_password"),
        (OLD, "12345678", "12345678", "new_password2"),
        (OLD, NEW, "b", "new_password2"),
    ],
)
def test_a_wrong_one_is_refused_beside_its_field(alice, old, new, again, field):
    answer = change(alice, old, new, again)
    assert answer.status_code == 422 and field in answer.context["form"].errors
    assert Client().login(username="alice", password=OLD)


def test_who_found_an_open_browser_cannot_guess_the_password(alice):
    for _ in range(5):
        assert change(alice, "wrong").status_code == 422
    answer = change(alice)
    assert answer.status_code == 429 and int(answer["Retry-After"]) > 0
    assert Client().login(username="alice", password=OLD), "nothing was changed"


def test_the_page_says_who_one_is_and_where_the_documents_are(alice):
    page = alice.get("/account/").text
    assert "Operator" in page and 'href="/api/docs/"' in page

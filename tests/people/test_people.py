"""The page of people: roles, switching off, invitations by link and by mail, each link once."""

import re
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from tasks.access.models import Entry
from tasks.access.permissions import role_of
from tasks.people import accounts
from tasks.people.models import Invitation, expired_invitations
from tests.support.calls import call
from tests.support.people import PASSWORD, person
from tests.support.receivers import mail_server

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://testserver(/join/[\w-]{43}/)")
TYPED = {"username": "grace", "password1": PASSWORD, "password2": PASSWORD}


def invited(**more: str) -> str:
    """The path of a new invitation's link, as the page shows it once."""
    ada = call("ada").client
    page = ada.post("/people/invite/", {"role": "operator", "note": "Grace"} | more, follow=True).text
    (path,) = LINK.findall(page)
    assert not LINK.findall(ada.get("/people/").text)
    return path


def test_an_admin_gives_roles_and_takes_them_away():
    ada, vera = call("ada").client, person("vera")
    page = ada.get("/people/").text
    assert "vera" in page and "Role of vera" in page and "Role of ada" not in page
    ada.post("/people/role/", {"user": "vera", "role": "operator"})
    assert role_of(get_user_model().objects.get(pk=vera.pk)) == "operator"
    ada.post("/people/role/", {"user": "vera", "role": ""})
    assert role_of(get_user_model().objects.get(pk=vera.pk)) == "nobody"
    assert ada.post("/people/role/", {"user": "vera", "role": "emperor"}).status_code == 404
    assert ada.post("/people/role/", {"user": "nobody there", "role": "viewer"}).status_code == 404
    ada.post("/people/role/", {"user": "ada", "role": ""})
    assert role_of(get_user_model().objects.get(username="ada")) == "admin"
    assert [entry.target for entry in Entry.objects.filter(action="people")] == ["user vera", "user vera"]
    for name in ("bob", "vera"):
        assert call(name).client.get("/people/").status_code == 403


def test_somebody_who_is_switched_off_is_out_at_once():
    ada, bob = call("ada").client, call("bob").client
    assert bob.get("/").status_code == 200
    ada.post("/people/switch/", {"user": "bob", "on": "no"})
    assert bob.get("/").status_code == 302
    ada.post("/people/switch/", {"user": "bob", "on": "yes"})
    assert get_user_model().objects.get(username="bob").is_active
    ada.post("/people/switch/", {"user": "ada", "on": "no"})
    assert get_user_model().objects.get(username="ada").is_active


def test_an_invitation_makes_one_account_with_its_role():
    path = invited()
    token = path.split("/")[2]
    assert token not in str(Invitation.objects.values())  # a digest only
    page = Client().get(path)
    assert page.status_code == 200 and "ada invites you, as operator" in page.text
    grace = Client()
    assert grace.post(path, TYPED | {"password2": "another"}).status_code == 422
    answer = grace.post(path, TYPED)
    assert answer.status_code == 302 and grace.get("/").status_code == 200
    assert role_of(get_user_model().objects.get(username="grace")) == "operator"
    assert Client().get(path).status_code == Client().post(path, TYPED | {"username": "eve"}).status_code == 404
    assert not get_user_model().objects.filter(username="eve").exists()
    assert Invitation.objects.get().used_by == "grace"


def test_an_invitation_expires_and_can_be_deleted():
    path, other = invited(), invited()
    Invitation.objects.filter(digest=accounts.digest(path.split("/")[2])).update(expires_at=timezone.now())
    assert Client().get(path).status_code == 404
    ada, row = call("ada").client, Invitation.objects.get(digest=accounts.digest(other.split("/")[2]))
    assert "Grace" in ada.get("/people/").text
    ada.post(f"/people/invitations/{row.uid}/delete/")
    assert Client().get(other).status_code == 404
    assert Client().get("/join/nonsense/").status_code == Client().get(f"/join/{'x' * 5000}/").status_code == 404


def test_two_who_use_one_link_at_once_are_one_account():
    row, _ = accounts.invite("viewer", "", "ada")
    first, second = (get_user_model()(username=name) for name in ("grace", "eve"))
    assert accounts.accept(row, first) and not accounts.accept(row, second)
    assert second.pk is None


def test_an_invitation_goes_by_mail_and_begins_with_our_address(settings):
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]
    settings.SIGNALBOX_URL = "https://jobs.example/box"
    assert 'name="mail"' not in call("ada").client.get("/people/").text
    with mail_server() as (box, port):
        settings.SIGNALBOX_MAIL = f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=box@shop.example"
        ada = call("ada").client
        said = {"role": "viewer", "note": "", "mail": "grace@shop.example"}
        assert "The link was sent." in ada.post("/people/invite/", said, follow=True).text
        assert ada.post("/people/invite/", said | {"mail": "no address"}).status_code == 422
    (letter,) = box.letters
    assert "grace@shop.example" in letter["To"]
    assert re.search(r"https://jobs\.example/box/join/[\w-]{43}/", letter.get_content())
    assert "grace@shop.example" not in str(list(Entry.objects.values()))


def test_the_link_is_masked_in_the_audit_trail():
    path = invited()
    Invitation.objects.all().delete()
    Client().get(path)
    assert path.split("/")[2] not in str(list(Entry.objects.values()))


def test_who_has_no_role_sees_whom_to_ask():
    person("ada")
    page = call("charlie").client.get("/")
    assert page.status_code == 403 and "no role yet" in page.text and ": ada." in page.text
    assert 'href="/"' not in page.text.split("panel", 1)[1]  # which would only lead here again
    assert "You have no access" in call("vera").client.get("/people/").text


def test_prune_forgets_invitations_that_are_long_over():
    row, _ = accounts.invite("viewer", "", "ada")
    Invitation.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(days=31))
    assert list(expired_invitations(timezone.now())) == [row]

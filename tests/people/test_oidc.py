"""Signing in by OpenID Connect, with a provider that really runs on loopback."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.auth import get_user_model
from django.test import Client
from oidc_provider_mock import User, run_server_in_thread

from tasks.access.models import Entry
from tasks.access.permissions import role_of
from tasks.people import oidc
from tasks.people.models import Identity
from tests.support.people import PASSWORD, person

pytestmark = pytest.mark.django_db

USERS = [
    User(sub="17", claims={"preferred_username": "grace", "groups": ["ops", "everybody"], "email": "g@shop.example"}),
    User(sub="18", claims={"preferred_username": "alice", "groups": ["leads"]}),
    User(sub="19", claims={"preferred_username": "heidi@shop.example", "groups": "nobody we know"}),
]


@pytest.fixture
def issuer(settings) -> Iterator[str]:
    with run_server_in_thread(user_claims=USERS) as server:
        settings.SIGNALBOX_OIDC = f"http://localhost:{server.server_port}"
        settings.SIGNALBOX_ROLES = {"ops": "operator", "leads": "admin"}
        settings.OIDC_RP_CLIENT_ID, settings.OIDC_RP_CLIENT_SECRET = "signalbox", "a secret"
        settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, "tasks.people.oidc.Backend"]
        yield settings.SIGNALBOX_OIDC


def at_provider(client: Client, sub: str, path: str = "/oidc/login/") -> str:
    """Go to the provider and say who one is there; the address that it sends the browser back to."""
    begun = client.get(path)
    assert begun.status_code == 302, begun.content
    answer = requests.post(begun.headers["Location"], data={"sub": sub}, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def sign_in(sub: str, client: Client | None = None) -> tuple[Client, Any]:
    client = client or Client()
    back = urlsplit(at_provider(client, sub))
    return client, client.get(f"{back.path}?{back.query}")


def test_a_person_signs_in_and_groups_of_the_provider_are_the_role(issuer):
    client, answer = sign_in("17")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    grace = get_user_model().objects.get(username="grace")
    assert role_of(grace) == "operator" and not grace.has_usable_password()
    page = client.get("/")
    assert page.status_code == 200 and "grace" in page.text
    assert Identity.objects.get().subject == "17"
    assert Entry.objects.filter(action="login", who="grace", outcome="done").count() == 1
    grace.groups.clear()
    sign_in("17")
    assert get_user_model().objects.filter(username__startswith="grace").count() == 1
    assert role_of(get_user_model().objects.get(username="grace")) == "operator"


def test_the_request_has_state_nonce_and_pkce_and_comes_back_to_the_page(issuer):
    begun = Client().get("/oidc/login/?next=/jobs/")
    asked = parse_qs(urlsplit(begun.headers["Location"]).query)
    assert {"state", "nonce", "code_challenge"} <= asked.keys() and asked["code_challenge_method"] == ["S256"]
    client = Client()
    back = urlsplit(at_provider(client, "17", "/oidc/login/?next=/jobs/"))
    assert client.get(f"{back.path}?{back.query}").headers["Location"] == "/jobs/"


def test_an_account_of_ours_with_the_same_name_is_not_taken_over(issuer):
    alice = person("alice")
    client, _ = sign_in("18")
    assert client.get("/").wsgi_request.user.get_username() == "alice-2"
    assert role_of(get_user_model().objects.get(username="alice-2")) == "admin"
    alice.refresh_from_db()
    assert role_of(alice) == "operator"


def test_who_is_in_no_group_has_no_role_and_sees_whom_to_ask(issuer):
    person("ada")
    client, _ = sign_in("19")
    page = client.get("/")
    assert page.status_code == 403
    assert "Your account has no role yet" in page.text and "ada" in page.text
    assert client.get("/").wsgi_request.user.get_username() == "heidi"  # an address is nobody's name here


@pytest.mark.parametrize("forged", ["state", "code", "session", "error"])
def test_a_forged_answer_signs_nobody_in(issuer, forged):
    client = Client(raise_request_exception=False)
    back = parse_qs(urlsplit(at_provider(client, "17")).query)
    query = {name: values[0] for name, values in back.items()}
    if forged == "session":
        client = Client(raise_request_exception=False)
    elif forged == "error":
        query = {"error": "access_denied", "state": query["state"]}
    else:
        query[forged] = "x" * 20
    answer = client.get("/oidc/callback/", query, follow=True)
    assert answer.redirect_chain[-1][0] == "/login/" and "Signing in did not work" in answer.text
    assert not answer.wsgi_request.user.is_authenticated and not get_user_model().objects.exists()
    assert Entry.objects.filter(action="login", outcome="refused").exists()


def test_a_token_for_another_client_or_of_another_provider_is_refused(issuer, settings, monkeypatch):
    back = oidc.OIDCAuthenticationBackend.verify_token
    for wrong in ({"aud": "another"}, {"iss": "https://other.example"}, {"aud": ["signalbox", "another"]}, {"sub": ""}):
        monkeypatch.setattr(
            oidc.OIDCAuthenticationBackend, "verify_token", lambda *a, wrong=wrong, **k: back(*a, **k) | wrong
        )
        _, answer = sign_in("17")
        assert answer.headers["Location"] == "/login/", wrong
    assert not get_user_model().objects.exists()


def test_a_user_that_is_switched_off_is_not_signed_in_again(issuer):
    client, _ = sign_in("17")
    get_user_model().objects.update(is_active=False)
    assert client.get("/").status_code == 302
    _, answer = sign_in("17")
    assert answer.headers["Location"] == "/login/"


def test_a_provider_that_is_away_is_said_and_whoever_is_in_stays_in(issuer, settings):
    client, _ = sign_in("17")
    settings.SIGNALBOX_OIDC = "http://127.0.0.1:9"
    assert client.get("/").status_code == 200
    answer = Client().get("/oidc/login/", follow=True)
    assert "Signing in did not work" in answer.text


def test_the_log_in_with_a_password_can_be_switched_off(issuer, settings):
    person("ada")
    page = Client().get("/login/").text
    assert 'name="password"' in page and "Sign in with OpenID Connect" in page
    settings.SIGNALBOX_LOCAL_LOGIN = False
    page = Client().get("/login/").text
    assert 'name="password"' not in page and "Sign in with OpenID Connect" in page
    answer = Client().post("/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 403 and Entry.objects.filter(action="login", outcome="refused").exists()


def test_without_the_setting_there_is_no_such_way_in():
    assert Client().get("/oidc/login/").status_code == Client().get("/oidc/callback/").status_code == 404
    assert "Sign in with" not in Client().get("/login/").text

"""A proxy in front signs people in: by its network or its secret, and nobody else can."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tasks.access.models import Entry
from tasks.access.permissions import role_of
from tests.support.people import person

pytestmark = pytest.mark.django_db
INSIDE = {"REMOTE_ADDR": "10.1.2.3"}


@pytest.fixture(autouse=True)
def proxy(settings) -> Any:
    settings.SIGNALBOX_PROXY_HEADER, settings.SIGNALBOX_PROXY_GROUPS_HEADER = "X-Remote-User", "X-Remote-Groups"
    settings.SIGNALBOX_PROXY_NETWORKS, settings.SIGNALBOX_PROXY_SECRET = [ip_network("10.0.0.0/8")], ""
    settings.SIGNALBOX_ROLES = {"ops": "operator", "*": "viewer"}
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tasks.people.proxy.by_proxy"]
    return settings


def who(client: Client, **headers: str) -> str:
    answer = client.get("/account/", **headers)
    return answer.wsgi_request.user.get_username() if answer.status_code == 200 else str(answer.status_code)


def test_the_header_signs_in_with_the_role_of_the_groups():
    client = Client()
    assert who(client, **INSIDE, HTTP_X_REMOTE_USER="grace", HTTP_X_REMOTE_GROUPS="staff, ops") == "grace"
    assert role_of(get_user_model().objects.get(username="grace")) == "operator"
    assert who(client, **INSIDE, HTTP_X_REMOTE_USER="grace", HTTP_X_REMOTE_GROUPS="staff") == "grace"
    assert Entry.objects.filter(action="login", outcome="done").count() == 1  # one session, not one for each request
    assert who(Client(), **INSIDE, HTTP_X_REMOTE_USER="heidi") == "heidi"
    assert role_of(get_user_model().objects.get(username="heidi")) == "viewer"


def test_another_name_is_another_session_and_no_name_ends_it():
    client = Client()
    who(client, **INSIDE, HTTP_X_REMOTE_USER="grace")
    assert who(client, **INSIDE, HTTP_X_REMOTE_USER="heidi") == "heidi"
    assert who(client, **INSIDE) == "302"
    who(client, **INSIDE, HTTP_X_REMOTE_USER="grace")
    assert who(client, REMOTE_ADDR="192.0.2.1") == "302"  # the cookie, round the proxy


def test_from_elsewhere_the_header_is_a_refusal(proxy):
    assert who(Client(), REMOTE_ADDR="192.0.2.1", HTTP_X_REMOTE_USER="ada") == "403"
    assert Entry.objects.filter(action="login", outcome="refused", target="ada").exists()
    proxy.SIGNALBOX_PROXY_NETWORKS = []
    assert who(Client(), **INSIDE, HTTP_X_REMOTE_USER="ada") == "403"  # no proof is set: nobody is the proxy
    assert not get_user_model().objects.exists()


def test_with_a_secret_the_proxy_must_know_it(proxy):
    proxy.SIGNALBOX_PROXY_SECRET = "0123456789abcdef"
    named = {**INSIDE, "HTTP_X_REMOTE_USER": "grace"}
    assert who(Client(), **named) == who(Client(), **named, HTTP_X_SIGNALBOX_PROXY="wrong") == "403"
    assert who(Client(), **named, HTTP_X_SIGNALBOX_PROXY="0123456789abcdef") == "grace"
    proxy.SIGNALBOX_PROXY_NETWORKS = []
    from_client = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_REMOTE_USER": "grace"}  # as uvicorn writes behind a proxy
    assert who(Client(), **from_client, HTTP_X_SIGNALBOX_PROXY="0123456789abcdef") == "grace"


def test_an_account_of_ours_is_not_taken_over_and_one_that_is_off_stays_off():
    person("alice")
    client = Client()
    assert who(client, **INSIDE, HTTP_X_REMOTE_USER="alice") == "alice-2"
    get_user_model().objects.filter(username="alice-2").update(is_active=False)
    assert who(Client(), **INSIDE, HTTP_X_REMOTE_USER="alice") == "403"


def test_without_the_header_people_log_in_as_ever():
    client = Client()
    client.force_login(person("vera"), "django.contrib.auth.backends.ModelBackend")
    assert who(client, **INSIDE) == "vera"
